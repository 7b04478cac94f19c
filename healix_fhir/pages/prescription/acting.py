"""What is done about a prescription that was signed: paused, gone on with, stopped, dispensed, asked for again.

The rules of MedicationRequest decide (healix_fhir/store/lifecycle): these are forms for what any app may do.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.model.json import encode
from healix_fhir.operation.prescription.repeats import repeats_of
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.prescription.finding import ASKED, REQUEST, order_of, requester, resources_of
from healix_fhir.pages.prescription.gate import ADDRESS, Caller, named
from healix_fhir.pages.prescription.shown import based_on, patient_of
from healix_fhir.pages.site import Site

Json = dict[str, Any]
CHANGES = ("on-hold", "active", "stopped", "cancelled", "completed", "entered-in-error")
REASON = 500
NOTE = 1000


async def change(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/[id]/status with `status` and, where one is due, `reason`."""
    order, version = await order_of(site, caller, named(request))
    status, reason = one(fields, "status"), one(fields, "reason")[:REASON]
    if status not in CHANGES:
        raise invalid("That is nothing a prescription becomes.")
    changed = order | {"status": status}
    if reason:
        changed["statusReason"] = {"text": reason}
    elif status == "active":
        changed.pop("statusReason", None)
    await site.interactions.update(caller.access, REQUEST, order["id"], encode(changed), version)
    return _back(patient_of(order), "changed")


async def dispense(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/[id]/dispense with the `day` and what is to be `note`d."""
    order, _ = await order_of(site, caller, named(request))
    counted = (await repeats_of(site.interactions, caller.access, [order]))[order["id"]]
    if order.get("status") != "active" or not counted.left:
        raise HealixError(
            Category.UNPROCESSABLE, "This prescription has nothing left to be dispensed: a new one is needed."
        )
    made: Json = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        **_medication(order),
        "subject": order["subject"],
        "authorizingPrescription": [{"reference": f"{REQUEST}/{order['id']}"}],
        "whenHandedOver": one(fields, "day") or instant(clock.now()),
        "dosageInstruction": order.get("dosageInstruction", []),
    }
    if "quantity" in order.get("dispenseRequest", {}):
        made["quantity"] = order["dispenseRequest"]["quantity"]
    if said := one(fields, "note")[:NOTE]:
        made["note"] = [{"text": said}]
    made = {name: value for name, value in made.items() if value != []}
    await site.interactions.create(caller.access, "MedicationDispense", encode(made))
    return _back(patient_of(order), "dispensed")


async def ask(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/[id]/refill: the patient asks for another prescription, with a `note`."""
    order, _ = await order_of(site, caller, named(request))
    patient = patient_of(order)
    who = await requester(site, caller, patient)
    open_ = await resources_of(site, caller, REQUEST, [("patient", f"Patient/{patient}"), *ASKED])
    if any(based_on(one_) == order["id"] for one_ in open_ if one_["resourceType"] == REQUEST):
        raise HealixError(Category.CONFLICT, "You have asked for this one already. Your clinic will answer.")
    made: Json = {
        "resourceType": REQUEST,
        "status": "active",
        "intent": "proposal",
        **_medication(order),
        "subject": order["subject"],
        "authoredOn": instant(clock.now()),
        "requester": who,
        "basedOn": [{"reference": f"{REQUEST}/{order['id']}"}],
    }
    if "dosageInstruction" in order:
        made["dosageInstruction"] = order["dosageInstruction"]
    if said := one(fields, "note")[:NOTE]:
        made["note"] = [{"text": said}]
    await site.interactions.create(caller.access, REQUEST, encode(made))
    return _back(patient, "asked")


async def withdraw(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/[id]/withdraw: the patient takes back what they asked for about an order."""
    del fields
    order, _ = await order_of(site, caller, named(request))
    patient = patient_of(order)
    for asked in await resources_of(site, caller, REQUEST, [("patient", f"Patient/{patient}"), *ASKED]):
        if asked["resourceType"] == REQUEST and based_on(asked) == order["id"]:
            body = encode(asked | {"status": "cancelled"})
            version = int(asked["meta"]["versionId"])
            await site.interactions.update(caller.access, REQUEST, asked["id"], body, version)
    return _back(patient, "withdrawn")


def _medication(order: Json) -> Json:
    kept = {name: order[name] for name in ("medicationCodeableConcept", "medicationReference") if name in order}
    inside = str(order.get("medicationReference", {}).get("reference", "")).startswith("#")
    return kept | ({"contained": order["contained"]} if inside else {})


def _back(patient: str, done: str) -> Response:
    return RedirectResponse(f"{ADDRESS}?patient={quote(patient)}&done={done}", 303)
