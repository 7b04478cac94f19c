"""$break-glass and $end-break-glass on a Patient: the emergency access of a clinician, with a reason.

`POST [base]/Patient/[id]/$break-glass` with the parameter `reason` answers 201 with the end of the access; until then
the patient's record is open to all tokens of the same practitioner, as far as their scopes reach.
`POST [base]/Patient/[id]/$end-break-glass` ends it early.

R4 has no such operation; the purpose of use and its code are those of HL7 v3 ActReason.

Spec: FHIR R4, hl7.org/fhir/R4/security.html#6.1.0; HL7 v3 ActReason BTG
"""

from __future__ import annotations

from datetime import datetime

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work, atransaction
from healix_fhir.kernel.errors import forbidden
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import encode
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation, Outcome
from healix_fhir.store.read import missing
from smart_auth import break_glass as glass
from smart_auth.access import AccessContext
from smart_auth.break_glass import Opening, Terms

BREAK_GLASS = own(
    "break-glass",
    "Opens the record of a patient to a practitioner in an emergency, for a time and with a reason; audited.",
    into("reason", "string", "Why the access is needed", least=1),
    out("id", "id", "The access that was opened"),
    out("period", "Period", "When it begins and ends"),
    levels=("instance",),
    resource=("Patient",),
)
END_BREAK_GLASS = own(
    "end-break-glass",
    "Ends the emergency access of the caller to the record of a patient.",
    out("ended", "integer", "How many accesses were ended"),
    levels=("instance",),
    resource=("Patient",),
)


async def break_glass(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """Open the record. Raises Forbidden, or NotFound for a patient who does not exist."""
    if not glass.may_open(access):
        raise forbidden("$break-glass is for a practitioner's token with a scope user/Patient.r")
    reason = str(invocation.given.one("reason"))
    patient, terms = str(invocation.id), interactions.glass
    opened = await atransaction(interactions.pool, lambda: open_record(access, patient, reason, terms))
    return Outcome(201, _answer(opened.id, opened.opened, opened.ends))


async def end_break_glass(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """End what the caller has open of the patient; NotFound when there is nothing."""
    if access.practitioner is None:
        raise forbidden("$end-break-glass is for a practitioner's token")
    patient, practitioner = str(invocation.id), access.practitioner
    count = await atransaction(
        interactions.pool, lambda: glass.end(access.origin, patient=patient, practitioner=practitioner)
    )
    if not count:
        raise missing("Patient", patient)
    return encode({"resourceType": "Parameters", "parameter": [{"name": "ended", "valueInteger": count}]})


def open_record(access: AccessContext, patient: str, reason: str, terms: Terms) -> Work[Opening]:
    """Break the glass before the record of a patient. Raises NotFound when there is no such patient."""
    rows = yield Statement(
        "SELECT 1 FROM resource WHERE type = %s AND id = %s AND NOT deleted", (TYPE_ID["Patient"], patient)
    )
    if not rows:
        raise missing("Patient", patient)
    return (yield from glass.break_glass(access, patient, reason, terms))


def _answer(id_: str, opened: datetime, ends: datetime) -> bytes:
    parts = [
        {"name": "id", "valueId": id_},
        {"name": "period", "valuePeriod": {"start": instant(opened), "end": instant(ends)}},
    ]
    return encode({"resourceType": "Parameters", "parameter": parts})
