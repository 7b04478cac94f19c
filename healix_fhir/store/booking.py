"""Let written Appointments take their slots, or refuse them: the slot is taken, not to be had, or of another time; or
there are too many of a patient already, but for who writes those of everybody.

In the transaction that writes them, whoever writes. What an Appointment has taken once it keeps: a slot that is closed
afterwards does not stop it from being moved on.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html, slot.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.appointment import HOLD, TAKING, TYPE, held_until, moment
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.store.decide import New, Same
from healix_fhir.store.lock import PERMISSION
from healix_fhir.store.stored import Change
from healix_fhir.store.taken import Place, Taking, places, ranges, slots_of, take
from smart_auth.access import AccessContext

Json = Mapping[str, Any]
CLOSED = frozenset({"busy-unavailable", "entered-in-error"})
"""Statuses of a Slot by which people take it out. What else makes it busy is an Appointment."""
MOST = 50
"""Slots that one Appointment may take."""
HOLDS, AHEAD = 5, 50
"""How many holds, and how many Appointments to come, there may be of one patient."""


def book(members: Sequence[tuple[AccessContext, Change]], decisions: list[New | Same | HealixError]) -> Work[None]:
    """Let the Appointments among `members` take what they name; those that cannot have it are refused."""
    made = {
        n: (change, decision)
        for n, (_, change) in enumerate(members)
        if change.type == TYPE and isinstance(decision := decisions[n], New)
    }
    wanted = {n: _slots(change.resource) for n, (change, _) in made.items()}
    had = {n: _slots(_before(new)) for n, (_, new) in made.items()}
    made = {n: one for n, one in made.items() if wanted[n] or had[n]}
    if not made:
        return
    known = {(change.type, change.id): change.resource for _, change in members if change.resource is not None}
    ids = sorted({slot for n in made for slot in wanted[n]})
    there = (yield from places(ids, known)) if ids else {}
    full = yield from _too_many({n: (members[n][0], *one) for n, one in made.items() if wanted[n]})
    asked = []
    for n, (change, _) in made.items():
        refusal = _refuse(change.resource or {}, wanted[n], set(wanted[n]) - set(had[n]), there) or full.get(n)
        if refusal is not None:
            decisions[n] = refusal
        else:
            asked.append(Taking(change.id, ranges(wanted[n], there), held_until(change.resource or {})))
    refused = (yield from take(asked)) if asked else set()
    for n, (change, _) in made.items():
        if change.id in refused:
            decisions[n] = conflict(wanted[n])


def conflict(slots: Sequence[str]) -> HealixError:
    """The refusal of what somebody else has taken."""
    named = " and ".join(f"Slot/{slot}" for slot in slots[:5])
    message = f"{named}, or another slot of the same time of who is to be there, is taken"
    return HealixError(Category.CONFLICT, message, expression=(f"{TYPE}.slot",))


def _slots(appointment: Json | None) -> list[str]:
    """What an Appointment takes."""
    return slots_of(appointment) if appointment is not None and appointment.get("status") in TAKING else []


def _before(new: New) -> Json | None:
    return decode_stored(new.old.body) if new.old is not None and not new.old.deleted else None


def _too_many(made: Mapping[int, tuple[AccessContext, Change, New]]) -> Work[dict[int, HealixError]]:
    """Refuse (Busy) who keeps more free, or has booked more, than one patient can need."""
    counting = {
        n: (change, is_held)
        for n, (access, change, new) in made.items()
        if not access.sees_all(TYPE, PERMISSION[change.method])
        and (is_held := held_until(change.resource or {}) is not None) is not _was_held(new)
    }
    if not counting:
        return {}
    rows = yield Statement(
        """SELECT k.id, count(DISTINCT t.appointment) FILTER (WHERE t.until > now()),
                  count(DISTINCT t.appointment) FILTER (WHERE t.until IS NULL AND r.d > now())
           FROM patient_key k JOIN resource r ON r.pat = k.pat AND r.type = %s AND r.d > now() - interval '1 day'
           JOIN taken t ON t.appointment = r.id
           WHERE k.id = ANY(%s::text[]) AND r.id <> ALL(%s::text[]) GROUP BY k.id""",
        (
            TYPE_ID[TYPE],
            sorted({patient for change, _ in counting.values() for patient in change.rows.patients}),
            sorted(change.id for change, _ in counting.values()),
        ),
    )
    held, ahead = Counter({id_: count for id_, count, _ in rows}), Counter({id_: count for id_, _, count in rows})
    refused = {}
    for n, (change, is_held) in counting.items():
        counted, most = (held, HOLDS) if is_held else (ahead, AHEAD)
        if any(counted[patient] >= most for patient in change.rows.patients):
            what = f"{HOLDS} holds" if is_held else f"{AHEAD} appointments to come"
            message = f"there are {what} of this patient already"
            refused[n] = HealixError(Category.BUSY, message, retry_after=int(HOLD.total_seconds()))
        counted.update(change.rows.patients)
    return refused


def _was_held(new: New) -> bool | None:
    """Whether the version before only held its slots; None where it took none."""
    before = _before(new)
    return held_until(before) is not None if before is not None and _slots(before) else None


def _refuse(appointment: Json, slots: Sequence[str], new: set[str], there: Mapping[str, Place]) -> HealixError | None:
    """Why an Appointment may not have its slots, whoever else has them."""
    if len(slots) > MOST:
        return _unprocessable(f"an Appointment takes at most {MOST} slots", "slot")
    for slot in slots:
        if slot in new and slot in there and there[slot].slot.get("status") in CLOSED:
            message = f"Slot/{slot} is {there[slot].slot['status']}"
            return HealixError(Category.CONFLICT, message, expression=(f"{TYPE}.slot",))
    known = [there[slot].slot for slot in slots if slot in there]
    if len(known) < len(slots) or "start" not in appointment or not new:
        return None
    if moment(appointment["start"]) < min(moment(one["start"]) for one in known):
        return _unprocessable("the Appointment starts before its slots do", "start")
    if moment(appointment["end"]) > max(moment(one["end"]) for one in known):
        return _unprocessable("the Appointment ends after its slots do", "end")
    return None


def _unprocessable(message: str, element: str) -> HealixError:
    return HealixError(Category.UNPROCESSABLE, message, expression=(f"{TYPE}.{element}",))
