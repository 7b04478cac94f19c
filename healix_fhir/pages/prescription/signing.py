"""Check a draft and sign it; throw it away; answer what a patient has asked for.

Spec: FHIR R4, hl7.org/fhir/R4/medicationrequest.html; CDS Hooks 2.0, order-sign
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.model.json import encode
from healix_fhir.operation.prescription.check import ORDER_SIGN, look_at, look_here
from healix_fhir.operation.prescription.finding import Finding
from healix_fhir.operation.prescription.order import Draft, draft_of
from healix_fhir.operation.prescription.recording import ACTIONS, Answer
from healix_fhir.operation.prescription.repeats import repeats
from healix_fhir.operation.prescription.sign import sign
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.prescription.finding import REQUEST, medications_of, order_of, whose
from healix_fhir.pages.prescription.gate import ADDRESS, Caller, named
from healix_fhir.pages.prescription.listing import REFILLS
from healix_fhir.pages.prescription.shown import based_on, line, patient_of
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site

Json = dict[str, Any]
REASON, NOTE = 1000, 500
CARRIED = (
    "contained", "medicationCodeableConcept", "medicationReference", "subject", "category", "reasonCode",
    "reasonReference", "dosageInstruction", "substitution",
)  # fmt: skip
"""What of an order the next one has as well."""


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/prescriptions/[id]: a draft, with what the local rules warn of. To look calls nobody else."""
    draft = await draft_of(site.interactions, caller.access, named(request))
    findings = await look_here(site.interactions, caller.access, draft.resource, draft.patient)
    return await _page(site, caller, draft, findings, others=site.interactions.adviser is not None)


async def check(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/[id]/check: the draft with what services of others say, too."""
    del fields
    draft = await draft_of(site.interactions, caller.access, named(request))
    findings = await look_at(site.interactions, caller.access, draft.resource, draft.patient, ORDER_SIGN)
    return await _page(site, caller, draft, findings)


async def submit(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/[id]/sign with a `reason-[key]` for each warning, and `action-[key]`."""
    id_ = named(request)
    answers = {
        name.removeprefix("reason-"): Answer(reason, _action(one(fields, name.replace("reason-", "action-", 1))))
        for name in fields
        if name.startswith("reason-") and (reason := " ".join(one(fields, name).split())[:REASON])
    }
    try:
        signed = await sign(site.interactions, caller.access, id_, answers)
    except HealixError as error:
        if error.category is not Category.UNPROCESSABLE:
            raise
        sent = {name: one(fields, name) for name in fields}
        draft = await draft_of(site.interactions, caller.access, id_)
        findings = await look_at(site.interactions, caller.access, draft.resource, draft.patient, ORDER_SIGN)
        return await _page(
            site, caller, draft, findings, sent, say("Not signed: answer every warning that is shown now.")
        )
    order, _ = await order_of(site, caller, signed.id)
    return _to(patient_of(order), "signed")


async def remove(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/[id]/remove: the draft is cancelled."""
    del fields
    draft = await draft_of(site.interactions, caller.access, named(request))
    body = encode(draft.resource | {"status": "cancelled"})
    await site.interactions.update(caller.access, REQUEST, draft.resource["id"], body, draft.version)
    return _to(draft.patient, "removed")


async def renew(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/[id]/renew: a draft that answers a request, like the order that it is about."""
    del fields
    asked, _ = await order_of(site, caller, named(request))
    before, _ = await order_of(site, caller, based_on(asked) or asked["id"])
    if patient_of(before) != patient_of(asked):
        raise HealixError(Category.UNPROCESSABLE, "What is asked for is about a prescription of somebody else.")
    draft: Json = {"resourceType": REQUEST, "status": "draft", "intent": "order"}
    draft |= {name: before[name] for name in CARRIED if name in before}
    draft["requester"] = {"reference": f"Practitioner/{caller.session.account.practitioner}"}
    draft["basedOn"] = [{"reference": f"{REQUEST}/{asked['id']}"}]
    if before["id"] != asked["id"]:
        draft["priorPrescription"] = {"reference": f"{REQUEST}/{before['id']}"}
    dispense = before.get("dispenseRequest", {})
    kept = {name: dispense[name] for name in ("quantity", "numberOfRepeatsAllowed") if name in dispense}
    if kept:
        draft["dispenseRequest"] = kept
    made = await site.interactions.create(caller.access, REQUEST, encode(draft))
    return RedirectResponse(f"{ADDRESS}/{made.stored.id}", 303)


async def decline(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/[id]/decline with the `reason`."""
    asked, version = await order_of(site, caller, named(request))
    changed = asked | {"status": "cancelled"}
    if reason := one(fields, "reason")[:NOTE]:
        changed["statusReason"] = {"text": reason}
    await site.interactions.update(caller.access, REQUEST, asked["id"], encode(changed), version)
    return RedirectResponse(REFILLS, 303)


async def _page(
    site: Site,
    caller: Caller,
    draft: Draft,
    findings: Sequence[Finding],
    sent: Mapping[str, str] = MappingProxyType({}),
    problem: str = "",
    *,
    others: bool = False,
) -> Response:
    """The draft with the findings; `others` offers to ask the services of others, which were not asked yet."""
    person = await whose(site, caller, draft.patient)
    medications = await medications_of(site, caller, draft.resource)
    return page(
        "order.html",
        422 if problem else 200,
        **caller.common,
        address=ADDRESS,
        person=person,
        order=line(draft.resource, medications, repeats(draft.resource, ())),
        findings=findings,
        actions=list(ACTIONS.items()),
        sent=sent,
        problem=problem,
        others=others,
    )


def _action(code: str) -> str:
    return code if code in ACTIONS else ""


def _to(patient: str, done: str) -> Response:
    return RedirectResponse(f"{ADDRESS}?patient={quote(patient)}&done={done}", 303)
