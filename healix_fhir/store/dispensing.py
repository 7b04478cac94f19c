"""Keep what is dispensed within what its order allows: the first time, and as many repeats as it states.

In the transaction that writes a MedicationDispense: who dispenses waits for whoever dispenses of the same order at the
same time, and counts after that. An order that states no number of repeats, or is kept elsewhere, limits nothing. A
system answers for itself: it may bring the records of a pharmacy, as they are.

Spec: FHIR R4, hl7.org/fhir/R4/medicationrequest-definitions.html (dispenseRequest.numberOfRepeatsAllowed)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.hashing import key64
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.store.decide import New, Same
from healix_fhir.store.lifecycle.step import Actor, actor_of
from healix_fhir.store.stored import Change
from healix_fhir.store.taken import local
from smart_auth.access import AccessContext

Json = Mapping[str, Any]
DISPENSE, ORDER = "MedicationDispense", "MedicationRequest"
NOT_HANDED_OVER = frozenset({"cancelled", "declined", "entered-in-error", "stopped"})


def orders_of(dispense: Json | None) -> list[str]:
    """The ids of the orders of this server that a dispense counts for, each once; none for what was not handed over."""
    if dispense is None or dispense.get("status") in NOT_HANDED_OVER:
        return []
    named = (local(one) for one in dispense.get("authorizingPrescription", ()))
    return list(dict.fromkeys(one[1] for one in named if one is not None and one[0] == ORDER))


def count(members: Sequence[tuple[AccessContext, Change]], decisions: list[New | Same | HealixError]) -> Work[None]:
    """Refuse the dispenses among `members` that are more than their orders allow, the last ones first."""
    new: dict[int, list[str]] = {}
    for n, (access, change) in enumerate(members):
        decision = decisions[n]
        if change.type == DISPENSE and isinstance(decision, New) and actor_of(access) is not Actor.SYSTEM:
            new[n] = [one for one in orders_of(change.resource) if one not in orders_of(_before(decision))]
    ids = sorted({one for each in new.values() for one in each})
    if not ids:
        return
    yield Statement(
        "SELECT pg_advisory_xact_lock(k) FROM (SELECT unnest(%s::bigint[]) AS k ORDER BY k) x",
        (sorted({key64(f"{DISPENSE} of {one}") for one in ids}),),
    )
    allowed = yield from _allowed(ids)
    done = yield from _done(ids)
    for n, named in new.items():
        full = next((one for one in named if one in allowed and done[one] >= allowed[one]), None)
        if full is None:
            done.update(named)
        else:
            decisions[n] = HealixError(
                Category.CONFLICT,
                f"{ORDER}/{full} was dispensed as often as it allows: a new one is needed",
                expression=(f"{DISPENSE}.authorizingPrescription",),
            )


def _before(decision: New) -> Json | None:
    old = decision.old
    return decode_stored(old.body) if old is not None and not old.deleted else None


def _allowed(ids: Sequence[str]) -> Work[dict[str, int]]:
    """How often each order may be dispensed, of those that say so."""
    rows = yield Statement(
        "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted", (TYPE_ID[ORDER], list(ids))
    )
    found = {id_: decode_stored(bytes(body)).get("dispenseRequest", {}) for id_, body in rows}
    return {
        id_: 1 + int(request["numberOfRepeatsAllowed"])
        for id_, request in found.items()
        if request.get("numberOfRepeatsAllowed") is not None
    }


def _done(ids: Sequence[str]) -> Work[Counter[str]]:
    """How often each order was dispensed."""
    rows = yield Statement(
        """SELECT DISTINCT r.pk, r.body FROM index_reference f JOIN resource r ON r.pk = f.pk
           WHERE f.param = %s AND f.target_type = %s AND f.target = ANY(%s) AND r.type = %s AND NOT r.deleted""",
        (search_parameters(DISPENSE)["prescription"].id, TYPE_ID[ORDER], list(ids), TYPE_ID[DISPENSE]),
        prepare=False,
    )
    return Counter(one for _, body in rows for one in orders_of(decode_stored(bytes(body))) if one in ids)
