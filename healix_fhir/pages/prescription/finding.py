"""Find what the pages of prescriptions show, in the name of who looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from healix_fhir.kernel.errors import forbidden, not_found
from healix_fhir.kernel.ids import is_logical_id
from healix_fhir.model.json import decode, decode_stored
from healix_fhir.operation.prescription.drug import by_reference
from healix_fhir.operation.prescription.repeats import repeats_of
from healix_fhir.pages.people import one as find_person
from healix_fhir.pages.people import resources
from healix_fhir.pages.prescription.gate import Caller
from healix_fhir.pages.prescription.shown import Line, based_on, line
from healix_fhir.pages.present import Person, person
from healix_fhir.pages.site import Site
from healix_fhir.store.lifecycle.medication_request import ORDERS
from healix_fhir.store.stored import Stored

Json = dict[str, Any]
REQUEST, STATEMENT = "MedicationRequest", "MedicationStatement"
MOST = 200
"""Prescriptions that one page shows."""
ASKED = [("intent", "proposal"), ("status", "active")]
"""What a search for open requests of patients has."""


async def whose(site: Site, caller: Caller, asked: str) -> Person:
    """The patient of a page: the one that is asked for, else the account's own. Raises NotFound, as for nobody."""
    id_ = asked or caller.session.account.patient or ""
    found = await find_person(site, caller.access, id_) if is_logical_id(id_) else None
    if found is None:
        raise not_found("There is no such patient among those you see.")
    return found


async def persons(site: Site, caller: Caller, ids: Iterable[str]) -> dict[str, Person]:
    """Of the patients with these ids those that the caller sees, by id."""
    named = sorted({id_ for id_ in ids if is_logical_id(id_)})
    if not named:
        return {}
    found = await site.interactions.search(
        caller.access, "Patient", [("_id", ",".join(named)), ("_count", str(len(named)))]
    )
    return {one_["id"]: person(one_) for one_ in resources(found)}


async def resources_of(site: Site, caller: Caller, kind: str, params: Sequence[tuple[str, str]]) -> list[Json]:
    """What a search finds, with the Medications that it refers to."""
    query = [*params, ("_include", f"{kind}:medication"), ("_count", str(MOST))]
    page = await site.interactions.search(caller.access, kind, query)
    return [decode_stored(entry.body) for entry in page.entries if entry.body and entry.mode != "outcome"]


async def prescriptions(site: Site, caller: Caller, patient: str) -> list[Line]:
    """The orders of a patient, the newest first."""
    whose_ = ("patient", f"Patient/{patient}")
    found = await resources_of(
        site, caller, REQUEST, [whose_, ("intent", ",".join(sorted(ORDERS))), ("_sort", "-authoredon")]
    )
    orders = [one for one in found if one["resourceType"] == REQUEST]
    requests = await resources_of(site, caller, REQUEST, [whose_, *ASKED])
    asked = {based_on(one) for one in requests if one["resourceType"] == REQUEST}
    counted = await repeats_of(site.interactions, caller.access, orders)
    medications = by_reference(found)
    return [
        line(one, medications, counted.get(one["id"]), one["id"] in asked)
        for one in orders
        if one.get("status") != "entered-in-error" and (caller.is_clinician or one.get("status") != "draft")
    ]


async def medicines(site: Site, caller: Caller, patient: str) -> list[Line]:
    """What a patient is said to take beside."""
    params = [("patient", f"Patient/{patient}"), ("status:not", "entered-in-error"), ("_sort", "-effective")]
    found = await resources_of(site, caller, STATEMENT, params)
    medications = by_reference(found)
    return [line(one, medications) for one in found if one["resourceType"] == STATEMENT]


async def refill_requests(site: Site, caller: Caller) -> list[Line]:
    """What patients in the caller's care ask for, the oldest first."""
    found = await resources_of(site, caller, REQUEST, [*ASKED, ("_sort", "authoredon")])
    medications = by_reference(found)
    return [line(one, medications) for one in found if one["resourceType"] == REQUEST]


async def order_of(site: Site, caller: Caller, id_: str) -> tuple[Json, int]:
    """A MedicationRequest with its version. Raises NotFound."""
    stored: Stored = await site.interactions.read(caller.access, REQUEST, id_)
    return decode(stored.body), stored.version


async def medications_of(site: Site, caller: Caller, order: Json) -> Mapping[str, Mapping[str, Any]]:
    """The Medications that an order refers to."""
    return by_reference(await resources_of(site, caller, REQUEST, [("_id", str(order["id"]))]))


async def requester(site: Site, caller: Caller, patient: str) -> Json:
    """Who asks for something: the patient, or who acts for them. Raises Forbidden for others."""
    if caller.session.account.patient == patient:
        return {"reference": f"Patient/{patient}"}
    person = caller.access.person
    proxies = [one.partition("/")[2] for one in person.proxies] if person is not None else []
    if proxies:
        query = [("patient", f"Patient/{patient}"), ("_id", ",".join(proxies))]
        for found in resources(await site.interactions.search(caller.access, "RelatedPerson", query)):
            return {"reference": f"RelatedPerson/{found['id']}"}
    raise forbidden("This is for the patient, and who acts for them.")
