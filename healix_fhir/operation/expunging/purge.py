"""$purge: everything in the record of a patient is gone for good, all versions of it.

What is left of each resource is that it was deleted, and when: so it is answered as Gone, clients that hold copies
learn of it (history, `deleted` of bulk exports), and nothing is written under its id as if for the first time. $expunge
takes that out too. The trail stays. What is in the record of another patient as well is left, and named; images go by
their own rules, before this. So much is done in one call; then `incomplete` says to call again, and the Patient goes
last.

Spec: FHIR R6, hl7.org/fhir/6.0.0-ballot4/patient-operation-purge.html (from R5 on; R4 has no such operation)
"""

from __future__ import annotations

from functools import partial
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.model.json import encode
from healix_fhir.operation.declaring import out, own
from healix_fhir.operation.expunging import compartment
from healix_fhir.operation.expunging.right import permit
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.commit import commit
from healix_fhir.store.expunge import past_of, past_of_patient
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext

MOST = 10_000
"""Resources that one call takes; each group of them in a transaction of its own."""
GROUP = 500

PURGE = own(
    "purge",
    "Removes all current and earlier versions of everything in a patient's compartment, the Patient last. That there"
    " was a resource, and when it was deleted, is kept (410 Gone) until $expunge takes that out. For who may read and"
    f" delete everything; audited. A call takes {MOST} resources at most; then the outcome has an issue 'incomplete',"
    " and the operation is to be called again.",
    out("return", "OperationOutcome", "What was done, and what is left"),
    levels=("instance",),
    resource=("Patient",),
    url="http://hl7.org/fhir/OperationDefinition/Patient-purge",
)


async def purge(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The OperationOutcome. Raises Forbidden, NotFound, Conflict while there are images."""
    permit(access, "purge")
    id_, pool, count = str(invocation.id), interactions.pool, 0
    pat = await atransaction(pool, lambda: compartment.of(id_))
    while count < MOST:
        taken = await atransaction(pool, lambda: _group(access, pat), aside=True)
        if not taken:
            break
        count += taken
    else:
        await atransaction(pool, partial(_noted, access, id_, count, whole=False))
        return _outcome([("incomplete", f"{count} resources of Patient/{id_} are purged, there are more: call again")])
    left = await atransaction(pool, partial(_last, access, id_, pat, count), aside=True)
    return _outcome([("informational", f"Patient/{id_} is purged, the last {count} resources of it now"), *left])


def _group(access: AccessContext, pat: int) -> Work[int]:
    """Purge some of what is in a compartment, the Patient apart; how many resources."""
    members = yield from compartment.members(pat, GROUP)
    changes = [Change(Method.DELETE, one.type, one.id, seen=one.version) for one in members if not one.deleted]
    if changes:
        yield from commit(access, changes)
    if members:
        yield from past_of([one.pk for one in members])
    return len(members)


def _last(access: AccessContext, id_: str, pat: int, count: int) -> Work[list[tuple[str, str]]]:
    """Purge the Patient, and what is in the past of resources that are another's now; what is left."""
    pk, deleted = yield from compartment.itself(id_)
    if not deleted:
        yield from commit(access, [Change(Method.DELETE, "Patient", id_)])
    if pk is not None:
        yield from past_of([pk])
    yield from past_of_patient(pat)
    left = yield from compartment.left(id_, pat)
    yield from _noted(access, id_, count, whole=True)
    return [("informational", one) for one in left]


def _noted(access: AccessContext, id_: str, count: int, *, whole: bool) -> Work[None]:
    told = f"resources={count}&complete={'true' if whole else 'false'}"
    yield record([AuditRow(access.origin, "E", "$purge", patient=id_, entity=f"Patient/{id_}", query=told)])


def _outcome(issues: list[tuple[str, str]]) -> bytes:
    """The outcome; an issue after the first is a warning."""
    told: list[dict[str, Any]] = [
        {"severity": "warning" if n or code == "incomplete" else "information", "code": code, "diagnostics": text}
        for n, (code, text) in enumerate(issues)
    ]
    return encode({"resourceType": "OperationOutcome", "issue": told})
