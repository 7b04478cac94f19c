"""What of a patient's record an order is held against, in the name of who asks: what they may not see is not looked at.

Spec: FHIR R4, hl7.org/fhir/R4/medicationrequest.html, medicationstatement.html, allergyintolerance.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.interaction.result import Page
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import HealixError, forbidden
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.prescription.drug import Drug, by_reference, drug_of
from healix_fhir.operation.prescription.finding import Finding, failure
from healix_fhir.store.lifecycle.medication_request import ORDERS
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

Json = dict[str, Any]
ALLERGIES, REQUESTS, STATEMENTS = "AllergyIntolerance", "MedicationRequest", "MedicationStatement"
NEEDED = (ALLERGIES, REQUESTS, STATEMENTS)
"""What is searched: without one of them nobody could say that an order was looked at."""
MOST = 500
"""Resources of a type that are looked at."""


class Record(msgspec.Struct, frozen=True):
    """A patient's `allergies` and the medications that they have; `lacking` says what was not looked at."""

    allergies: Sequence[Mapping[str, Any]] = ()
    drugs: Sequence[Drug] = ()
    lacking: Sequence[Finding] = ()


def required(access: AccessContext) -> None:
    """Refuse (Forbidden) whose scopes do not open what an order is held against."""
    for type_name in NEEDED:
        for permission in (Permission.READ, Permission.SEARCH):
            if not access.allows(type_name, permission):
                raise forbidden(f"orders are held against the record: the token's scope does not open {type_name}")


async def gathered(interactions: Interactions, access: AccessContext, patient: str, beside: Iterable[str]) -> Record:
    """The record of a patient, without the orders `beside`: the one that is looked at, and what it follows on."""
    required(access)
    whose = ("patient", f"Patient/{patient}")
    queries = {
        ALLERGIES: [whose],
        REQUESTS: [whose, ("status", "active,on-hold"), ("intent", ",".join(sorted(ORDERS))), _medication(REQUESTS)],
        STATEMENTS: [whose, ("status", "active,intended,on-hold"), _medication(STATEMENTS)],
    }
    pages = {
        type_name: await interactions.search(access, type_name, [*query, ("_count", str(MOST))])
        for type_name, query in queries.items()
    }
    listed = {type_name: _resources(page) for type_name, page in pages.items()}
    medications = by_reference(one for each in listed.values() for one in each)
    drugs = [
        drug_of(one, medications)
        for type_name in (REQUESTS, STATEMENTS)
        for one in listed[type_name]
        if one["resourceType"] == type_name and not one.get("doNotPerform")
    ]
    allergies = [one for one in listed[ALLERGIES] if one["resourceType"] == ALLERGIES]
    lacking = [
        failure(f"More than {MOST} resources {type_name} are recorded: not all of them were looked at")
        for type_name, page in pages.items()
        if "next" in page.links
    ]
    skipped = set(beside)
    return Record(allergies, [one for one in drugs if one.reference not in skipped], lacking)


def _medication(type_name: str) -> tuple[str, str]:
    return "_include", f"{type_name}:medication"


def _resources(page: Page) -> list[Json]:
    return [decode_stored(entry.body) for entry in page.entries if entry.body is not None and entry.mode != "outcome"]


async def named_medication(
    interactions: Interactions, access: AccessContext, order: Json
) -> Mapping[str, Mapping[str, Any]]:
    """The Medication that an order refers to, where it may be read."""
    type_name, _, id_ = str(order.get("medicationReference", {}).get("reference", "")).partition("/")
    if type_name != "Medication" or not id_:
        return {}
    try:
        stored = await interactions.read(access, type_name, id_)
    except HealixError:
        return {}  # its name alone is compared then, and the findings say so
    return by_reference([decode_stored(stored.body)])
