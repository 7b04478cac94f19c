"""The prescription as a PDF, made when it is asked for, in the name and the language of who asks."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from healix_fhir.care.prescriptions.printed import Printed, document
from healix_fhir.care.reports.typesetting import pdf
from healix_fhir.care.reports.written import Written
from healix_fhir.kernel import clock
from healix_fhir.kernel.errors import HealixError, not_found
from healix_fhir.kernel.language.spoken import language
from healix_fhir.model.json import decode
from healix_fhir.operation.goal.zone import zone_of
from healix_fhir.operation.prescription.repeats import repeats_of
from healix_fhir.pages.prescription.finding import medications_of, order_of
from healix_fhir.pages.prescription.gate import Caller, named
from healix_fhir.pages.prescription.shown import patient_of
from healix_fhir.pages.present import name
from healix_fhir.pages.render import HEADERS
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.medication_request import ORDERS

Json = dict[str, Any]


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/prescriptions/[id]/pdf. A draft is none yet."""
    order, _ = await order_of(site, caller, named(request))
    if order.get("status") == "draft" or order.get("intent") not in ORDERS:
        raise not_found("There is no such prescription.")
    patient = decode((await site.interactions.read(caller.access, "Patient", patient_of(order))).body)
    prescriber = await _prescriber(site, caller, order)
    counted = (await repeats_of(site.interactions, caller.access, [order]))[order["id"]]
    said = str(order.get("requester", {}).get("display") or "")
    names = (name(patient.get("name", ())), name(prescriber.get("name", ())) if prescriber else said)
    printed = Printed(order, patient, prescriber, await medications_of(site, caller, order), counted, names)
    made = document(printed, Written(language(), zone_of(patient, site.interactions.zone)), clock.now())
    content = await asyncio.to_thread(pdf, made)
    headers = HEADERS | {"Content-Disposition": 'inline; filename="prescription.pdf"'}
    return Response(content, media_type="application/pdf", headers=headers)


async def _prescriber(site: Site, caller: Caller, order: Json) -> Json:
    """The Practitioner who ordered; nothing where that is somebody else, or not to be read."""
    kind, _, id_ = str(order.get("requester", {}).get("reference", "")).partition("/")
    if kind != "Practitioner":
        return {}
    try:
        return decode((await site.interactions.read(caller.access, kind, id_)).body)
    except HealixError:
        return {}
