"""Write a prescription: find the medication, say how it is taken, and save a draft that is to be signed.

What the local rules say of a chosen medication is shown beside the form; services of others (`order-select`) are asked
when somebody says so: to look at a page calls nobody.

Spec: CDS Hooks 2.0, order-select; FHIR R4, hl7.org/fhir/R4/medicationrequest.html
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.language.catalogue import marked
from healix_fhir.model.json import encode
from healix_fhir.operation.prescription.check import ORDER_SELECT, look_at, look_here
from healix_fhir.operation.prescription.dosage import PERIODS, ROUTES, UNITS, WHEN, Chosen, dosage
from healix_fhir.operation.prescription.finding import Finding
from healix_fhir.operation.prescription.medication_search import find_medications
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.prescription.finding import REQUEST, whose
from healix_fhir.pages.prescription.gate import ADDRESS, Caller
from healix_fhir.pages.present import Person
from healix_fhir.pages.render import page
from healix_fhir.pages.site import Site

Json = dict[str, Any]
NAME = 200
CODE = 300
LONGEST_DAYS, MOST, REPEATS = 365, 10_000, 12


class Sent(msgspec.Struct, frozen=True):
    """What the form holds, as it was sent."""

    amount: str = ""
    unit: str = "tablet"
    frequency: str = ""
    every: str = ""
    period: str = ""
    route: str = ""
    when: Sequence[str] = ()
    as_needed: str = ""
    days: str = ""
    quantity: str = ""
    repeats: str = ""
    reason: str = ""
    instruction: str = ""


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/prescriptions/write with the `patient`, and `q` to find a medication, or the one that was chosen."""
    asked = {
        key: request.query_params.get(key, "").strip()[:CODE] for key in ("patient", "q", "name", "system", "code")
    }
    person = await whose(site, caller, asked["patient"])
    return await _form(site, caller, person, asked, Sent(route="oral"))


async def check(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/write/check: the form as it is, with what services of others say."""
    del request
    person, asked, sent = await _sent(site, caller, fields)
    return await _form(site, caller, person, asked, sent, others=True)


async def save(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/prescriptions/write: a draft is made, and shown with what there is to say about it."""
    del request
    person, asked, sent = await _sent(site, caller, fields)
    try:
        draft = draft_of(asked, sent, person.id, str(caller.session.account.practitioner))
        made = await site.interactions.create(caller.access, REQUEST, encode(draft))
    except HealixError as error:
        if error.category not in (Category.INVALID, Category.UNPROCESSABLE):
            raise
        return await _form(site, caller, person, asked, sent, error.message)
    return RedirectResponse(f"{ADDRESS}/{made.stored.id}", 303)


async def _sent(site: Site, caller: Caller, fields: Fields) -> tuple[Person, dict[str, str], Sent]:
    """Whose prescription it is, the medication that was chosen, and the rest of the form."""
    person = await whose(site, caller, one(fields, "patient"))
    asked = {key: one(fields, key)[:CODE] for key in ("name", "system", "code")} | {"q": ""}
    told = {name: one(fields, name) for name in Sent.__struct_fields__ if name != "when"}
    return person, asked, Sent(**told, when=fields.get("when", []))


def draft_of(asked: dict[str, str], sent: Sent, patient: str, practitioner: str) -> Json:
    """The draft that a form makes. Raises Unprocessable for what it may not hold, in words for people."""
    made: Json = {
        "resourceType": REQUEST,
        "status": "draft",
        "intent": "order",
        **medication(asked),
        "subject": {"reference": f"Patient/{patient}"},
        "requester": {"reference": f"Practitioner/{practitioner}"},
        "dosageInstruction": [dosage(_chosen(sent))],
        "dispenseRequest": {"numberOfRepeatsAllowed": _number(sent.repeats or "0", marked("repeats"), 0, REPEATS)},
    }
    if sent.quantity:
        quantity = {"value": _number(sent.quantity, marked("quantity"), 1, MOST), "unit": sent.unit}
        made["dispenseRequest"]["quantity"] = quantity
    if sent.reason:
        made["reasonCode"] = [{"text": sent.reason[:NAME]}]
    return made


def medication(asked: dict[str, str]) -> Json:
    """The medication that was chosen, with its code where it has one."""
    name = asked["name"][:NAME]
    if not name:
        raise _wrong("Say which medication it is.")
    coding = {"system": asked["system"], "code": asked["code"], "display": name}
    coded = {"coding": [coding]} if asked["system"] and asked["code"] else {}
    return {"medicationCodeableConcept": coded | {"text": name}}


def _chosen(sent: Sent) -> Chosen:
    try:
        amount = Decimal(sent.amount.replace(",", "."))
    except InvalidOperation as error:
        raise _wrong("How much is taken at a time is a number, such as 1 or 2.5.") from error
    if not amount.is_finite() or not 0 < amount <= MOST or sent.unit not in UNITS:
        raise _wrong(f"How much is taken at a time is above 0, and {MOST} at most.")
    if sent.period not in PERIODS or (sent.route and sent.route not in ROUTES) or not set(sent.when) <= WHEN.keys():
        raise _wrong("Choose how often, how and when from the lists.")
    return Chosen(
        amount,
        sent.unit,
        _number(sent.frequency, marked("times"), 1, 24),
        _number(sent.every, marked("time within which it is taken"), 1, 90),
        sent.period,
        sent.route,
        tuple(sent.when),
        bool(sent.as_needed),
        _number(sent.days, marked("days"), 1, LONGEST_DAYS) if sent.days else 0,
        " ".join(sent.instruction.split())[:500],
    )


def _number(text: str, what: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and least <= int(text) <= most):
        raise _wrong(f"The {what}: a whole number from {least} to {most}.")
    return int(text)


def _wrong(why: str) -> HealixError:
    return HealixError(Category.UNPROCESSABLE, why)


async def _form(
    site: Site,
    caller: Caller,
    person: Person,
    asked: dict[str, str],
    sent: Sent,
    problem: str = "",
    *,
    others: bool = False,
) -> Response:
    """The form; with `others`, services of others are asked about the medication."""
    found = await atransaction(site.pool, lambda: find_medications(asked["q"])) if asked["q"] else []
    findings: list[Finding] = []
    if asked["name"]:
        chosen: Json = {"resourceType": REQUEST, "status": "draft", "intent": "order", **medication(asked)}
        chosen["subject"] = {"reference": f"Patient/{person.id}"}
        if others:
            findings = await look_at(site.interactions, caller.access, chosen, person.id, ORDER_SELECT)
        else:
            findings = await look_here(site.interactions, caller.access, chosen, person.id)
    return page(
        "prescribe.html",
        400 if problem else 200,
        **caller.common,
        address=ADDRESS,
        person=person,
        asked=asked["q"],
        found=found,
        name=asked["name"],
        system=asked["system"],
        code=asked["code"],
        findings=findings,
        sent=sent,
        units=UNITS,
        periods=list(PERIODS.items()),
        routes=list(ROUTES.items()),
        when=list(WHEN.items()),
        problem=problem,
        others=site.interactions.adviser is not None and not others,
    )
