"""How often an order may still be dispensed: the first time, and as many repeats as it allows.

Spec: FHIR R4, hl7.org/fhir/R4/medicationrequest-definitions.html (MedicationRequest.dispenseRequest)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.model.json import decode_stored
from healix_fhir.store.dispensing import DISPENSE, NOT_HANDED_OVER
from smart_auth.access import AccessContext

Json = Mapping[str, Any]
MOST = 1000


class Repeats(msgspec.Struct, frozen=True):
    """What an order allows, counting the first time, and what of it was dispensed."""

    allowed: int
    dispensed: int

    @property
    def left(self) -> int:
        """How often it may still be dispensed."""
        return max(self.allowed - self.dispensed, 0)


def repeats(order: Json, dispenses: Iterable[Json]) -> Repeats:
    """The count of an order; `dispenses` are those that it authorized."""
    request = order.get("dispenseRequest") or {}
    done = sum(one.get("status") not in NOT_HANDED_OVER for one in dispenses)
    return Repeats(1 + int(request.get("numberOfRepeatsAllowed", 0)), done)


async def repeats_of(interactions: Interactions, access: AccessContext, orders: Iterable[Json]) -> dict[str, Repeats]:
    """The counts of several orders by id, with one search."""
    listed = [one for one in orders if "id" in one]
    if not listed:
        return {}
    named = ",".join(f"MedicationRequest/{one['id']}" for one in listed)
    page = await interactions.search(access, DISPENSE, [("prescription", named), ("_count", str(MOST))])
    dispenses = [decode_stored(entry.body) for entry in page.entries if entry.body and entry.mode == "match"]
    return {
        one["id"]: repeats(one, (dispense for dispense in dispenses if _authorized(dispense, one["id"])))
        for one in listed
    }


def _authorized(dispense: Json, id_: str) -> bool:
    references = (str(one.get("reference", "")) for one in dispense.get("authorizingPrescription", ()))
    return any(one.rpartition("MedicationRequest/")[2] == id_ for one in references)
