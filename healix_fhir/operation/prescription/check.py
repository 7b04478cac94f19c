"""Look at an order: by the local rules, and by the services that an administrator has set up, at the same time.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/; hooks order-select and order-sign
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from healix_fhir.interaction.advice import Said
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import Work, atransaction
from healix_fhir.operation.prescription import interactions as table
from healix_fhir.operation.prescription import rules
from healix_fhir.operation.prescription.drug import Drug, drug_of
from healix_fhir.operation.prescription.finding import Finding, Indicator, Kind, failure, note, worst_first
from healix_fhir.operation.prescription.gather import Record, gathered, named_medication
from healix_fhir.operation.prescription.knowledge import known_of
from healix_fhir.operation.prescription.prefetch import prefetch
from smart_auth.access import AccessContext

Json = dict[str, Any]
ORDER_SIGN, ORDER_SELECT = "order-sign", "order-select"
HOOKS = (ORDER_SIGN, ORDER_SELECT)
LONGEST = 4000
UNNAMED = "draft"
"""The id of a draft that is not stored yet."""


async def look_at(
    interactions: Interactions, access: AccessContext, order: Json, patient: str, hook: str
) -> list[Finding]:
    """The findings on an order of a patient, the worst first. Raises Forbidden where the scopes do not reach."""
    own, elsewhere = await asyncio.gather(
        _own(interactions, access, order, patient), _elsewhere(interactions, access, order, patient, hook)
    )
    return worst_first((*own, *elsewhere))


async def look_here(interactions: Interactions, access: AccessContext, order: Json, patient: str) -> list[Finding]:
    """The findings of the local rules alone, the worst first: nobody else learns that somebody looks at an order."""
    return worst_first(await _own(interactions, access, order, patient))


async def _own(interactions: Interactions, access: AccessContext, order: Json, patient: str) -> list[Finding]:
    drug = drug_of(order, await named_medication(interactions, access, order))
    before = order.get("priorPrescription", {}).get("reference", "")
    record = await gathered(interactions, access, patient, (drug.reference, before))
    return await atransaction(interactions.pool, lambda: judged(drug, record))


def judged(drug: Drug, record: Record) -> Work[list[Finding]]:
    """The findings of the local rules on a medication, held against a record."""
    knowledge = yield from known_of(rules.all_codes((drug, *record.drugs), record.allergies))
    found = [
        *record.lacking,
        *rules.allergies(drug, record.allergies, knowledge),
        *rules.duplicates(drug, record.drugs, knowledge),
    ]
    if not (yield from table.loaded()):
        return [*found, note(Kind.INTERACTION, "No table of interactions is loaded: none were looked for")]
    theirs = frozenset().union(*(knowledge.kinds(one.substances) for one in record.drugs))
    pairs = yield from table.between(knowledge.kinds(drug.substances), theirs)
    return [
        *found,
        *rules.interacting(drug, record.drugs, pairs, knowledge),
        *rules.uncoded(drug, record.drugs),
    ]


async def _elsewhere(
    interactions: Interactions, access: AccessContext, order: Json, patient: str, hook: str
) -> list[Finding]:
    if interactions.adviser is None:
        return []
    shown = order if "id" in order else order | {"id": UNNAMED}
    context: Json = {
        "userId": f"Practitioner/{access.practitioner}",
        "patientId": patient,
        "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": shown}]},
    }
    encounter = str(order.get("encounter", {}).get("reference", "")).removeprefix("Encounter/")
    if encounter:
        context["encounterId"] = encounter
    if hook == ORDER_SELECT:
        context["selections"] = [f"MedicationRequest/{shown['id']}"]
    said = await interactions.adviser.ask(hook, context, lambda query: prefetch(interactions, access, query))
    return [finding for one in said for finding in _of_service(one)]


def _of_service(said: Said) -> list[Finding]:
    if said.problem:
        return [failure(f"{said.service} did not look at this order: {said.problem}", said.service)]
    return [_of_card(said.service, card) for card in said.cards]


def _of_card(service: str, card: Mapping[str, Any]) -> Finding:
    """A card as a finding; one that does not say how much it matters is taken for a warning."""
    source = card.get("source")
    source = source if isinstance(source, dict) else {}
    indicator = card.get("indicator")
    url = source.get("url")
    return Finding(
        Kind.ADVICE,
        Indicator(indicator) if indicator in tuple(Indicator) else Indicator.WARNING,
        _text(card.get("summary")) or "A card without a summary",
        _text(card.get("detail")),
        source=_text(source.get("label")) or service,
        url=url if isinstance(url, str) and url.startswith("https://") and len(url) <= LONGEST else "",
    )


def _text(value: object) -> str:
    return " ".join(value.replace("\0", "").split())[:LONGEST] if isinstance(value, str) else ""
