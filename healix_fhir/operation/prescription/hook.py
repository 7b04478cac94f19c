"""The local rules as a CDS Hooks service: what another system sends of a patient and drafts becomes cards.

Nothing that is stored here is looked at but the loaded interactions and terminologies: the record is the caller's.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/#http-request_1, #cds-service-response
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError, invalid, too_large
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.validate import check
from healix_fhir.operation.prescription.check import HOOKS, judged
from healix_fhir.operation.prescription.drug import by_reference, drug_of
from healix_fhir.operation.prescription.finding import OWN, Finding, worst_first
from healix_fhir.operation.prescription.gather import ALLERGIES, REQUESTS, STATEMENTS, Record
from healix_fhir.operation.prescription.recording import ACT_CODE, ACTIONS

Json = dict[str, Any]
MOST = 2000
"""Resources of one call."""
DRAFTS = 50
SUMMARY = 140
"""Characters that a card's summary must stay below."""
PREFETCH: Mapping[str, str] = {
    "allergies": "AllergyIntolerance?patient={{context.patientId}}",
    "requests": "MedicationRequest?patient={{context.patientId}}&status=active,on-hold"
    "&_include=MedicationRequest:medication",
    "statements": "MedicationStatement?patient={{context.patientId}}&status=active,intended,on-hold"
    "&_include=MedicationStatement:medication",
}
SERVICES: Mapping[str, str] = {f"prescription-{hook.removeprefix('order-')}": hook for hook in HOOKS}
"""By id, the hook that a service is for."""


def discovery() -> Json:
    """The services."""
    return {
        "services": [
            {
                "hook": hook,
                "id": id_,
                "title": "Allergies, duplicates and interactions",
                "description": "Holds drafts of MedicationRequests against the allergies and medications of a patient.",
                "prefetch": dict(PREFETCH),
                "usageRequirements": "Works from what is prefetched alone; it fetches nothing.",
            }
            for id_, hook in SERVICES.items()
        ]
    }


def cards(id_: str, asked: Json) -> Work[Json]:
    """The answer to a call of the service `id_`. Raises Invalid, TooLarge, or PreconditionFailed without prefetch."""
    if asked.get("hook") != SERVICES[id_]:
        raise invalid(f"the hook of {id_} is {SERVICES[id_]}", code="value", expression=("hook",))
    if not isinstance(asked.get("hookInstance"), str):
        raise invalid("a call has a hookInstance", code="required", expression=("hookInstance",))
    context = _object(asked.get("context"), "context")
    for name in ("userId", "patientId"):
        if not isinstance(context.get(name), str) or not context[name]:
            raise invalid(f"{name} is missing", code="required", expression=(f"context.{name}",))
    drafted = _resources(context.get("draftOrders"), "context.draftOrders")
    fetched = {name: _fetched(asked, name) for name in PREFETCH}
    everything = [*drafted, *(one for each in fetched.values() for one in each)]
    if len(everything) > MOST:
        raise too_large(f"a call has at most {MOST} resources")
    medications = by_reference(everything)
    drafts = [one for one in drafted if one["resourceType"] == REQUESTS]
    if len(drafts) > DRAFTS:
        raise too_large(f"a call has at most {DRAFTS} drafts")
    drugs = [drug_of(one, medications) for one in drafts]
    there = [
        drug_of(one, medications)
        for name, type_name in (("requests", REQUESTS), ("statements", STATEMENTS))
        for one in fetched[name]
        if one["resourceType"] == type_name and not one.get("doNotPerform")
    ]
    allergies = [one for one in fetched["allergies"] if one["resourceType"] == ALLERGIES]
    ids = {drug.reference for drug in drugs if drug.reference}
    found: list[Finding] = []
    for number, drug in enumerate(drugs):
        others = [*(one for one in there if one.reference not in ids), *drugs[:number]]
        found += yield from judged(drug, Record(allergies, others))
    return {"cards": [card(one) for one in worst_first(found)]}


def card(finding: Finding) -> Json:
    """A finding as a card, with the reasons for which a warning may be overridden."""
    made: Json = {
        "uuid": str(uuid.uuid4()),
        "summary": _shortened(finding.summary),
        "indicator": finding.indicator.value,
        "source": {"label": OWN if finding.source == OWN else f"{OWN}: {finding.source}"},
    }
    detail = " ".join(filter(None, (finding.summary if len(finding.summary) >= SUMMARY else "", finding.detail)))
    if detail:
        made["detail"] = detail
    if finding.needs_answer:
        made["overrideReasons"] = [
            {"code": code, "system": ACT_CODE, "display": display} for code, display in ACTIONS.items()
        ]
    return made


def _shortened(text: str) -> str:
    return text if len(text) < SUMMARY else f"{text[: SUMMARY - 2]}…"


def _object(value: object, name: str) -> Json:
    if not isinstance(value, dict):
        raise invalid(f"{name} is missing", code="required", expression=(name,))
    return value


def _fetched(asked: Json, name: str) -> Sequence[Json]:
    """What was prefetched under a name. Raises PreconditionFailed where it was not."""
    sent = asked.get("prefetch")
    if not isinstance(sent, dict) or name not in sent:
        raise HealixError(
            Category.PRECONDITION_FAILED, f"the prefetch '{name}' is needed", expression=(f"prefetch.{name}",)
        )
    return _resources(sent[name], f"prefetch.{name}")


def _resources(sent: object, place: str) -> list[Json]:
    """The resources of a Bundle; none of null, which says that nothing was found."""
    if sent is None:
        return []
    bundle = _object(sent, place)
    if bundle.get("resourceType") != "Bundle":
        raise invalid(f"{place} is no Bundle", code="structure", expression=(place,))
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise invalid(f"{place}.entry is no list", code="structure", expression=(place,))
    return list(_checked(entries, place))


def _checked(entries: Sequence[object], place: str) -> Iterator[Json]:
    for number, entry in enumerate(entries):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue  # an entry may have none
        type_name = resource.get("resourceType")
        if not isinstance(type_name, str) or type_name not in TYPE_ID:
            raise invalid(f"{place}.entry[{number}] is no resource", code="structure", expression=(place,))
        check(resource, type_name)
        yield resource
