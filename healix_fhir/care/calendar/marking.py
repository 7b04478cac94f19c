"""Keeps the status of Slots true: busy while an Appointment takes them, or another slot of the same time of the same
people; busy-tentative while one is only held or asked for; free again when that is over.

An outbox consumer of the topic `resource`. What is taken is decided by `store/taken.py`, in the transaction of the
Appointment; this is what searches for free Slots see of it a moment later. The server marks which slots it has made
busy, so that it frees none that somebody else has made so.

Spec: FHIR R4, hl7.org/fhir/R4/slot.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.appointment import TAKING, moment
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from healix_fhir.store.taken import edges, places, ranges, slots_of
from smart_auth.access import internal

Json = Mapping[str, Any]
WRITER = internal("healix-calendar")
LONGEST = timedelta(days=1)
"""Slots that begin longer before a time are not looked at."""
TENTATIVE = frozenset({"pending"})


def consumer(
    bases: tuple[str, ...], freed: Callable[[], Statement] | None = None
) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`; `freed` is done when slots have become free."""
    return lambda events: _handle(bases, freed, events)


def _handle(bases: tuple[str, ...], freed: Callable[[], Statement] | None, events: Sequence[Event]) -> Work[None]:
    changed = sorted({event.payload["id"] for event in events if event.payload["type"] == "Appointment"})
    new = {event.payload["id"] for event in events if event.payload["type"] == "Slot" and event.payload["version"] == 1}
    if changed:
        marked = yield Statement("SELECT slot FROM slot_mark WHERE appointment = ANY(%s::text[])", (changed,))
        appointments = yield from _bodies("Appointment", changed)
        named = {slot for one in appointments.values() if one["status"] in TAKING for slot in slots_of(one)}
        new |= {slot for (slot,) in marked} | (yield from _beside(sorted(named)))
    if new:
        yield from mark(sorted(new), bases, freed)


def mark(ids: list[str], bases: tuple[str, ...], freed: Callable[[], Statement] | None) -> Work[None]:
    """Bring the status of these Slots up to date, and note for whom.

    They are locked before they are read, so that what somebody writes of one meanwhile is not written over.
    """
    yield Statement(
        "SELECT FROM resource WHERE type = %s AND id = ANY(%s::text[]) ORDER BY id FOR UPDATE", (TYPE_ID["Slot"], ids)
    )
    there = yield from places(ids, {})
    asked = [(id_, ranges([id_], there)) for id_ in there]
    rows = yield Statement(
        """SELECT x.slot, t.appointment, t.until IS NOT NULL, r.body
           FROM unnest(%s::text[], %s::numeric[], %s::numeric[]) AS x (slot, lo, hi)
           JOIN taken t ON t.span && numrange(x.lo, x.hi) AND (t.until IS NULL OR t.until > now())
           LEFT JOIN resource r ON r.type = %s AND r.id = t.appointment""",
        (
            [id_ for id_, each in asked for _ in each],
            *edges([one for _, each in asked for one in each]),
            TYPE_ID["Appointment"],
        ),
        prepare=False,
    )
    by: dict[str, set[str]] = {}
    sure = set()
    for slot, appointment, is_held, body in rows:
        by.setdefault(slot, set()).add(appointment)
        if not is_held and not (body and decode_stored(body)["status"] in TENTATIVE):
            sure.add(slot)
    before = yield Statement("SELECT DISTINCT slot FROM slot_mark WHERE slot = ANY(%s::text[])", (list(there),))
    ours = {slot for (slot,) in before}
    changes = []
    for id_, place in there.items():
        wanted = "busy" if id_ in sure else "busy-tentative" if id_ in by else "free"
        status = place.slot["status"]
        if status != wanted and (status == "free" or (status in ("busy", "busy-tentative") and id_ in ours)):
            changes.append(_with(place.slot, wanted, bases))
    yield from _note(list(there), by)
    if changes:
        yield from commit(WRITER, changes)
        if freed is not None and any(one.resource and one.resource["status"] == "free" for one in changes):
            yield freed()


def _with(slot: Json, status: str, bases: tuple[str, ...]) -> Change:
    meta = {name: value for name, value in slot.get("meta", {}).items() if name not in ("versionId", "lastUpdated")}
    rest = {name: value for name, value in slot.items() if name != "meta"} | ({"meta": meta} if meta else {})
    return change(Method.PUT, rest | {"status": status}, "Slot", slot["id"], bases)


def _note(slots: Sequence[str], by: Mapping[str, set[str]]) -> Work[None]:
    yield Statement("DELETE FROM slot_mark WHERE slot = ANY(%s::text[])", (list(slots),))
    pairs = sorted((slot, appointment) for slot, each in by.items() for appointment in each)
    if pairs:
        yield Statement(
            "INSERT INTO slot_mark (slot, appointment) SELECT * FROM unnest(%s::text[], %s::text[])",
            ([slot for slot, _ in pairs], [appointment for _, appointment in pairs]),
        )


def _beside(ids: Sequence[str]) -> Work[set[str]]:
    """These Slots, and those of the same people, rooms and devices at about the same time."""
    there = yield from places(ids, {})
    if not there:
        return set()
    calendars = sorted({calendar for place in there.values() for calendar in place.calendars})
    starts = min(moment(place.slot["start"]) for place in there.values())
    ends = max(moment(place.slot["end"]) for place in there.values())
    people = [one.partition("/") for one in calendars]
    rows = yield Statement(
        """WITH actors AS (
             SELECT x.type, x.id FROM unnest(%s::smallint[], %s::text[]) AS x (type, id)
             UNION SELECT p.type, p.id FROM unnest(%s::smallint[], %s::text[]) AS x (type, id)
             JOIN index_reference i ON i.param = %s AND i.target = x.id AND i.target_type = x.type
             JOIN resource p ON p.pk = i.pk AND p.type = %s AND NOT p.deleted)
           SELECT DISTINCT r.id FROM actors a
           JOIN index_reference i ON i.param = %s AND i.target = a.id AND i.target_type = a.type
           JOIN resource s ON s.pk = i.pk AND s.type = %s AND NOT s.deleted
           JOIN index_reference j ON j.param = %s AND j.target = s.id AND j.target_type = s.type
             AND j.d > %s AND j.d < %s
           JOIN resource r ON r.pk = j.pk AND r.type = %s AND NOT r.deleted""",
        (
            *(([TYPE_ID[kind] for kind, _, _ in people], [id_ for _, _, id_ in people]) * 2),
            search_parameters("PractitionerRole")["practitioner"].id,
            TYPE_ID["PractitionerRole"],
            search_parameters("Schedule")["actor"].id,
            TYPE_ID["Schedule"],
            search_parameters("Slot")["schedule"].id,
            starts - LONGEST,
            ends,
            TYPE_ID["Slot"],
        ),
    )
    return set(there) | {id_ for (id_,) in rows}


def _bodies(type_name: str, ids: Sequence[str]) -> Work[dict[str, Json]]:
    rows = yield Statement(
        "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s::text[]) AND NOT deleted",
        (TYPE_ID[type_name], list(ids)),
    )
    return {id_: decode_stored(body) for id_, body in rows}
