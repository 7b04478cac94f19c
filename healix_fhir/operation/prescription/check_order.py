"""$check-order: what there is to say about a draft before somebody signs it.

`GET [base]/MedicationRequest/[id]/$check-order` tells allergies, duplicates, interactions, the cards of services that
an administrator has set up, and what could not be looked at. Nothing is changed.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/
"""

from __future__ import annotations

from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import MANY, Parameter
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.prescription.check import HOOKS, ORDER_SIGN, look_at
from healix_fhir.operation.prescription.finding import Finding
from healix_fhir.operation.prescription.order import REQUEST, draft_of, require_prescriber
from smart_auth.access import AccessContext

CHECK_ORDER = own(
    "check-order",
    "Tells what there is to warn of before a draft of an order is signed.",
    into("hook", "code", f"The occasion: {' or '.join(HOOKS)} (CDS Hooks); order-sign without"),
    Parameter(
        "finding",
        "out",
        0,
        MANY,
        "Something to warn of, to know, or that was not looked at",
        part=(
            out("key", "string", "What it is called in the answers of $sign"),
            out("kind", "code", "allergy, duplicate, interaction, advice or failure"),
            out("indicator", "code", "info, warning or critical"),
            out("needs-answer", "boolean", "Whether $sign takes a reason to override it"),
            out("summary", "string", "In a line"),
            out("detail", "string", "In full", least=0),
            out("source", "string", "Who says so"),
            out("implicated", "Reference", "What of the record it comes from", least=0, most=MANY),
        ),
    ),
    levels=("instance",),
    resource=(REQUEST,),
)


async def check_order(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The findings. Raises Forbidden, NotFound, or Unprocessable for what is no draft of an order."""
    require_prescriber(access, "$check-order")
    hook = invocation.given.text("hook") or ORDER_SIGN
    if hook not in HOOKS:
        raise invalid(f"hook is {' or '.join(HOOKS)}", code="value", expression=("hook",))
    draft = await draft_of(interactions, access, str(invocation.id))
    findings = await look_at(interactions, access, draft.resource, draft.patient, hook)
    parts = [{"name": "finding", "part": _parts(one)} for one in findings]
    return encode({"resourceType": "Parameters"} | ({"parameter": parts} if parts else {}))


def _parts(finding: Finding) -> list[dict[str, Any]]:
    return [
        {"name": "key", "valueString": finding.key},
        {"name": "kind", "valueCode": finding.kind},
        {"name": "indicator", "valueCode": finding.indicator},
        {"name": "needs-answer", "valueBoolean": finding.needs_answer},
        {"name": "summary", "valueString": finding.summary},
        *([{"name": "detail", "valueString": finding.detail}] if finding.detail else []),
        {"name": "source", "valueString": finding.source},
        *({"name": "implicated", "valueReference": {"reference": one}} for one in finding.implicated),
    ]
