"""An invitation that is accepted becomes a CareTeam, which opens the record.

Both sides agree: who invited must still be able to when it is accepted, as the account that it was. The CareTeam is
written for both, by the server, since neither could alone: a clinician may write nothing into a record before it is
open. All refusals read alike.

Spec: FHIR R4, hl7.org/fhir/R4/careteam.html
"""

from __future__ import annotations

from typing import Any

from healix_fhir.interaction.accept import change
from healix_fhir.kernel import clock, ids
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError, not_found
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from smart_auth.access import AccessContext, internal
from smart_auth.account.care_invitation import Invitation, accepted, take
from smart_auth.patients import patient_keys
from smart_auth.person import find_person
from smart_auth.scope import Permission, parse

CARE_TEAM = "CareTeam"
OFFERING = parse("user/CareTeam.c")


def may_offer(access: AccessContext, patient: str) -> Work[bool]:
    """Whether a caller may put a CareTeam into the record of a patient."""
    keys = yield from patient_keys([patient])
    return (yield from access.may_hold(CARE_TEAM, Permission.CREATE, [keys[patient]]))


def accept(
    access: AccessContext, bases: tuple[str, ...], *, id_: str = "", code: str = "", patient: str = ""
) -> Work[str]:
    """Accept an invitation as a clinician, or for the record of `patient`; the CareTeam's id.

    Raises NotFound for one that is not good, whatever the reason.
    """
    clinical = access.practitioner is not None
    found = yield from take(str(access.origin.account), clinical=clinical, id_=id_, code=code)
    if found is None or not (yield from _stands(found)):
        raise no_good()
    whose, practitioner = found.patient or patient, found.practitioner or str(access.practitioner)
    if not clinical and not (yield from may_offer(access, whose)):
        raise no_good()
    team = yield from _joined(access, bases, whose, practitioner)
    yield accepted(access.origin, whose, practitioner)
    return team


def no_good() -> HealixError:
    """What is said of every invitation that opens nothing."""
    return not_found("This invitation is not good, or not any more.")


def _stands(found: Invitation) -> Work[bool]:
    """Whether who invited is still who they were, and may still invite."""
    if found.practitioner is not None:
        rows = yield Statement(
            "SELECT 1 FROM account WHERE username = %s AND role = 'practitioner' AND fhir_user = %s AND NOT disabled",
            (found.inviter, f"Practitioner/{found.practitioner}"),
        )
        return bool(rows)
    person = yield from find_person(found.inviter)
    return (yield from may_offer(AccessContext(OFFERING, person=person), str(found.patient)))


def _joined(access: AccessContext, bases: tuple[str, ...], patient: str, practitioner: str) -> Work[str]:
    """The CareTeam of the two that is there, or a new one."""
    keys = yield from patient_keys([patient])
    rows = yield Statement(
        """SELECT substr(v.source, 10) FROM care_relationship v WHERE v.practitioner = %s AND v.pat = %s
           AND v.source LIKE 'CareTeam/%%' AND v.ends IS NULL ORDER BY v.source LIMIT 1""",
        (practitioner, keys[patient]),
    )
    if rows:
        return str(rows[0][0])
    id_ = ids.logical_id()
    both = internal(access.origin)
    yield from commit(both, [change(Method.POST, care_team(patient, practitioner), CARE_TEAM, id_, bases)])
    return id_


def care_team(patient: str, practitioner: str) -> dict[str, Any]:
    """The team of a clinician for a patient, from now on."""
    period = {"start": instant(clock.now())}
    return {
        "resourceType": CARE_TEAM,
        "status": "active",
        "name": "Care by invitation",
        "subject": {"reference": f"Patient/{patient}"},
        "period": period,
        "participant": [{"member": {"reference": f"Practitioner/{practitioner}"}, "period": period}],
    }
