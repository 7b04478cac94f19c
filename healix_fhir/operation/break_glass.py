"""$break-glass and $end-break-glass on a Patient: the emergency access of a clinician, with a reason.

`POST [base]/Patient/[id]/$break-glass` with the parameter `reason` answers 201 with the end of the access; until then
the patient's record is open to all tokens of the same practitioner, as far as their scopes reach.
`POST [base]/Patient/[id]/$end-break-glass` ends it early.

R4 has no such operation; the purpose of use and its code are those of HL7 v3 ActReason.

Spec: FHIR R4, hl7.org/fhir/R4/security.html#6.1.0; HL7 v3 ActReason BTG
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work, atransaction
from healix_fhir.kernel.errors import forbidden, invalid
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode, encode
from healix_fhir.model.validate import validate
from healix_fhir.operation.invocation import Invocation, Outcome
from healix_fhir.store.read import missing
from smart_auth import break_glass as glass
from smart_auth.access import AccessContext
from smart_auth.break_glass import Opening, Terms

RENDERING = ("_format", "_pretty")  # the HTTP edge's


async def break_glass(interactions: Interactions, access: AccessContext, invocation: Invocation) -> Outcome:
    """Open the record. Raises Forbidden, Invalid without a reason, NotFound for a patient who does not exist."""
    reason = _parameters(invocation, "$break-glass", ("reason",)).get("reason")
    if not glass.may_open(access):
        raise forbidden("$break-glass is for a practitioner's token with a scope user/Patient.r")
    if reason is None:
        raise invalid("$break-glass takes a reason", code="required", expression=("reason",))
    patient, terms = str(invocation.id), interactions.glass
    opened = await atransaction(interactions.pool, lambda: open_record(access, patient, reason, terms))
    return Outcome(201, _answer(opened.id, opened.opened, opened.ends))


async def end_break_glass(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """End what the caller has open of the patient; NotFound when there is nothing."""
    _parameters(invocation, "$end-break-glass", ())
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


def _parameters(invocation: Invocation, operation: str, names: tuple[str, ...]) -> dict[str, str]:
    """The parameters of a call, by name, from the query and a body that is a Parameters resource."""
    given = [(name, value) for name, value in invocation.params if name not in RENDERING]
    if invocation.body.strip():
        given += [(str(part.get("name")), _text(operation, part)) for part in _parts(operation, invocation.body)]
    found: dict[str, str] = {}
    for name, value in given:
        if name not in names or name in found:
            raise invalid(
                f"{operation} takes {', '.join(names) or 'no parameter'} once; not '{name[:64]}'",
                code="value",
                expression=("Parameters.parameter",),
            )
        found[name] = value
    return found


def _parts(operation: str, body: bytes) -> list[dict[str, Any]]:
    resource = decode(body)
    if resource.get("resourceType") != "Parameters" or validate(resource, "Parameters"):
        raise invalid(f"{operation} takes a valid Parameters resource", code="structure", expression=("Parameters",))
    parts: list[dict[str, Any]] = resource.get("parameter", [])
    return parts


def _text(operation: str, part: dict[str, Any]) -> str:
    value = part.get("valueString")
    if not isinstance(value, str):
        raise invalid(
            f"{operation}: the parameter '{str(part.get('name'))[:64]}' has no valueString",
            code="value",
            expression=("Parameters.parameter.value",),
        )
    return value
