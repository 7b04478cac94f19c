"""What a patient takes beside prescriptions, written down by the patient or by a clinician as a MedicationStatement.

Spec: FHIR R4, hl7.org/fhir/R4/medicationstatement.html
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from healix_fhir.kernel import clock
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import decode, encode
from healix_fhir.pages.gate import Fields, one
from healix_fhir.pages.prescription.finding import STATEMENT, requester, whose
from healix_fhir.pages.prescription.gate import ADDRESS, Caller, named
from healix_fhir.pages.prescription.shown import patient_of
from healix_fhir.pages.site import Site

Json = dict[str, Any]
NAME, DOSE = 200, 500


async def add(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/medicines with `patient`, `name`, `dose` and since which day (`since`)."""
    del request
    person = await whose(site, caller, one(fields, "patient"))
    name, dose = one(fields, "name")[:NAME], one(fields, "dose")[:DOSE]
    if not name:
        raise invalid("Say which medicine it is.")
    doctor = caller.session.account.practitioner
    source = {"reference": f"Practitioner/{doctor}"} if doctor else await requester(site, caller, person.id)
    made: Json = {
        "resourceType": STATEMENT,
        "status": "active",
        "medicationCodeableConcept": {"text": name},
        "subject": {"reference": f"Patient/{person.id}"},
        "dateAsserted": instant(clock.now()),
        "informationSource": source,
    }
    if since := one(fields, "since"):
        made["effectivePeriod"] = {"start": since}
    if dose:
        made["dosage"] = [{"text": dose}]
    await site.interactions.create(caller.access, STATEMENT, encode(made))
    return _back(person.id)


async def end(site: Site, request: Request, caller: Caller, fields: Fields) -> Response:
    """POST /account/medicines/[id]/end: it is not taken any more."""
    del fields
    stored = await site.interactions.read(caller.access, STATEMENT, named(request))
    taken = decode(stored.body)
    changed = taken | {"status": "stopped"}
    if "effectiveDateTime" not in taken:
        changed["effectivePeriod"] = taken.get("effectivePeriod", {}) | {"end": instant(clock.now())}
    await site.interactions.update(caller.access, STATEMENT, stored.id, encode(changed), stored.version)
    return _back(patient_of(taken))


def _back(patient: str) -> Response:
    return RedirectResponse(f"{ADDRESS}?patient={quote(patient)}&done=taken", 303)
