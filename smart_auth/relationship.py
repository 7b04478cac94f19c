"""The care relationships of a clinician, and for whom a person acts, as conditions on a patient.

`care_relationship` holds those that resources state (healix_fhir/care/relations.py) and those that a clinician opened
by break-glass, which are `emergency` ones. Both open a record alike; what states who cares for a patient, or who may
not see one, can be written only by those whom something else than break-glass has brought to the patient: nobody
makes an emergency last. See docs/decisions/0077-break-glass.md.

Spec: FHIR R4, hl7.org/fhir/R4/security.html#6.1.0
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.kernel.conditions import NOTHING
from healix_fhir.kernel.database import Fragment
from smart_auth.care_list import IN_FORCE
from smart_auth.scope import Permission

STATING = frozenset({"Appointment", "CareTeam", "Consent", "Encounter", "Patient", "RelatedPerson"})
"""Types that state who cares for a patient, or who may not see what."""
CHANGING = frozenset({Permission.UPDATE, Permission.DELETE})
WRITING = frozenset({Permission.CREATE, Permission.UPDATE, Permission.DELETE})


def is_kept(type_name: str, permission: Permission) -> bool:
    """Whether this is for patients and systems alone: a Consent once given is not changed by whom it may hide from."""
    return type_name == "Consent" and permission in CHANGING


def in_care(column: str, practitioner: str, type_name: str, permission: Permission) -> Fragment:
    """The condition that a practitioner may, for a relationship that there is now, do this to resources of a type.

    `column` is the SQL expression of the patient's key.
    """
    if is_kept(type_name, permission):
        return NOTHING
    ordinary = " AND NOT v.emergency" if type_name in STATING and permission in WRITING else ""
    return Fragment(
        f"{column} IN (SELECT v.pat FROM care_relationship v WHERE v.practitioner = %s AND {IN_FORCE}{ordinary})",
        (practitioner,),
    )


def acting(column: str, proxies: Sequence[str]) -> Fragment:
    """The condition that one of `proxies`, as `RelatedPerson/ID`, acts for the patient `column`, now."""
    places = ", ".join(["%s"] * len(proxies))
    return Fragment(
        f"{column} IN (SELECT v.pat FROM care_relationship v WHERE v.practitioner IN ({places}) AND {IN_FORCE})",
        tuple(proxies),
    )
