"""Holds that are over, and the waiting list: who waits is offered a slot that is free, in order, for a while.

Who waits is an Appointment of status waitlist: its participants say with whom or where (any of them), its
requestedPeriod when; without one, at any time. The most urgent comes first (`priority`, 1 before 2), then who has
waited longest (`created`). An offer is a hold: the Appointment becomes pending, with the slot, for some hours; who
takes part beside the patient is told when it is booked. If nobody books it, it waits on, and this slot goes to the
next. What was offered is not offered to the same again.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html#statuses (waitlist)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from healix_fhir.care.calendar.hours import EARLIEST, LATEST
from healix_fhir.care.calendar.telling import Told, told
from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.appointment import held_until
from healix_fhir.model.definitions import TYPE_ID, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.appointment.making import CALENDARS, put
from healix_fhir.operation.appointment.proposal import held, released
from healix_fhir.operation.appointment.wish import patients_of
from healix_fhir.search import tokens
from healix_fhir.search.dates import interval
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method, Stored
from healix_fhir.store.taken import free, local, places, ranges
from smart_auth.access import internal

Json = Mapping[str, Any]
APPOINTMENT = "Appointment"
TASK = "appointments.tend"
WRITER = internal("healix-calendar")
OFFER = timedelta(hours=4)
"""For which an offer stands."""
SOON = timedelta(hours=1)
"""What begins sooner is offered to nobody."""
AT_ONCE = 200
LOOKED_AT = 1000
"""Those who wait, in their order, for whom a slot is looked for each time."""
MOST_WAITING = 20_000
"""Those who wait whose order is looked at."""
CANDIDATES = 20


def expired(bases: tuple[str, ...]) -> Work[int]:
    """Give up the holds that are over: cancelled, or waiting on; how many."""
    rows = yield Statement(
        "SELECT DISTINCT appointment FROM taken WHERE until <= now() ORDER BY appointment LIMIT %s", (AT_ONCE,)
    )
    found = yield from _read([id_ for (id_,) in rows])
    offers = yield Statement(
        "SELECT appointment, slot FROM waiting_offer WHERE appointment = ANY(%s::text[])", ([one.id for one in found],)
    )
    offered = set(offers)
    changes = []
    for one in found:
        resource = dict(decode_stored(one.body))
        until = held_until(resource)
        if until is None or until > clock.now():
            continue
        slots = [slot[1] for each in resource.get("slot", ()) if (slot := local(each)) is not None]
        waits = any((one.id, slot) in offered for slot in slots)
        changes.append(_put(waiting_on(resource) if waits else _over(resource), one, bases))
    done = (yield from commit(WRITER, changes)) if changes else []
    return len(done)


def waiting_on(appointment: Mapping[str, Any]) -> dict[str, Any]:
    """An Appointment whose offer is over: as it was before."""
    dropped = ("start", "end", "slot")
    rest = {name: value for name, value in released(appointment).items() if name not in dropped}
    return rest | {"status": "waitlist"}


def _over(appointment: Mapping[str, Any]) -> dict[str, Any]:
    reason = {"text": "The time for which it held its slots is over"}
    return released(appointment) | {"status": "cancelled", "cancelationReason": reason}


def _put(resource: dict[str, Any], old: Stored, bases: tuple[str, ...]) -> Change:
    return put(Method.PUT, resource, old.id, bases, old)


def offered(bases: tuple[str, ...], tell: Told) -> Work[int]:
    """Offer what is free to those who wait, in order; how many offers were made."""
    status = search_parameters(APPOINTMENT)["status"].id
    rows = yield Statement(
        """SELECT id, version, updated, body FROM resource
           WHERE type = %s AND NOT deleted AND toks @> ARRAY[%s]::bigint[] ORDER BY id LIMIT %s""",
        (TYPE_ID[APPOINTMENT], tokens.any_system(status, "waitlist"), MOST_WAITING),
        prepare=False,
    )
    all_ = [Stored(APPOINTMENT, *row) for row in rows]
    turns = sorted(turn(decode_stored(one.body), one) for one in all_)
    found = yield from _read([id_ for _, _, id_ in turns[:LOOKED_AT]])
    waiting = sorted(((one, decode_stored(one.body)) for one in found), key=lambda pair: turn(pair[1], pair[0]))
    count = 0
    for one, resource in waiting:
        if resource["status"] == "waitlist":
            count += yield from _offer(one, resource, bases, tell)
    return count


def turn(appointment: Json, stored: Stored) -> tuple[int, datetime, str]:
    """Where somebody stands in the list. R4: 0 is no priority, 1 the highest."""
    covered = interval(appointment.get("created", ""))
    since = covered[0] if covered and covered[0] else stored.updated
    return int(appointment.get("priority") or 99), since, stored.id


def wanted(appointment: Json) -> tuple[list[tuple[str, str]], list[tuple[datetime, datetime]]]:
    """With whom or where (any of these; none: anybody), and when (any of these)."""
    actors = [local(one.get("actor")) for one in appointment.get("participant", ())]
    periods = []
    for one in appointment.get("requestedPeriod", ()):
        first, last = interval(one.get("start", "")), interval(one.get("end", ""))
        periods.append(((first and first[0]) or EARLIEST, (last and last[1]) or LATEST))
    return [one for one in actors if one is not None and one[0] in CALENDARS], periods or [(EARLIEST, LATEST)]


def _offer(old: Stored, appointment: Json, bases: tuple[str, ...], tell: Told) -> Work[int]:
    actors, periods = wanted(appointment)
    now = clock.now()
    slot = yield from _first(old.id, actors, [(max(begin, now + SOON), end) for begin, end in periods], appointment)
    if slot is None:
        return 0
    resource = {
        **appointment,
        "status": "pending",
        "start": slot["start"],
        "end": slot["end"],
        "slot": [{"reference": f"Slot/{slot['id']}"}],
    }
    until = now + OFFER
    yield from commit(WRITER, [_put(held(resource, until), old, bases)])
    yield Statement("INSERT INTO waiting_offer (appointment, slot) VALUES (%s, %s)", (old.id, slot["id"]))
    yield from told(tell, patients_of(appointment, bases), "offer", resource["start"], until)
    return 1


def _first(
    id_: str, actors: Sequence[tuple[str, str]], periods: Sequence[tuple[datetime, datetime]], appointment: Json
) -> Work[Json | None]:
    """The first free slot that somebody waits for and was not offered."""
    kinds = {(one.get("system"), one.get("code")) for kind in appointment.get("serviceType", ())
             for one in kind.get("coding", ())}  # fmt: skip
    rows = yield Statement(
        """SELECT r.id, r.body, s.body FROM resource r
           JOIN index_reference i ON i.pk = r.pk AND i.param = %(schedule)s
           JOIN resource s ON s.type = i.target_type AND s.id = i.target AND NOT s.deleted
           WHERE r.type = %(slot)s AND NOT r.deleted AND r.toks @> ARRAY[%(free)s]::bigint[]
             AND EXISTS (SELECT FROM unnest(%(begins)s::timestamptz[], %(ends)s::timestamptz[]) AS p (b, e)
                         WHERE r.d >= p.b AND r.d < p.e)
             AND (%(anybody)s OR EXISTS (
               SELECT FROM index_reference a JOIN unnest(%(types)s::smallint[], %(ids)s::text[]) AS x (type, id)
                 ON a.target_type = x.type AND a.target = x.id
               WHERE a.pk = s.pk AND a.param = %(actor)s))
             AND NOT EXISTS (SELECT FROM waiting_offer o WHERE o.appointment = %(id)s AND o.slot = r.id)
           ORDER BY r.d, r.id LIMIT %(most)s""",
        {
            "schedule": search_parameters("Slot")["schedule"].id,
            "slot": TYPE_ID["Slot"],
            "free": tokens.any_system(search_parameters("Slot")["status"].id, "free"),
            "begins": [begin for begin, _ in periods],
            "ends": [end for _, end in periods],
            "anybody": not actors,
            "types": [TYPE_ID[kind] for kind, _ in actors],
            "ids": [actor for _, actor in actors],
            "actor": search_parameters("Schedule")["actor"].id,
            "id": id_,
            "most": CANDIDATES,
        },
        prepare=False,
    )
    slots = {slot: decode_stored(body) for slot, body, schedule in rows if _suits(decode_stored(body), schedule, kinds)}
    there = yield from places(list(slots), {("Slot", slot): one for slot, one in slots.items()})
    taken = yield from free([(slot, ranges([slot], there)) for slot in slots])
    return next((one for slot, one in slots.items() if slot not in taken), None)


def _suits(slot: Json, schedule: bytes, kinds: set[tuple[Any, Any]]) -> bool:
    """Whether a slot is in use, and for one of the wanted types of service, where both say any."""
    whole = decode_stored(schedule)
    own = slot.get("serviceType") or whole.get("serviceType", ())
    told_ = {(one.get("system"), one.get("code")) for kind in own for one in kind.get("coding", ())}
    return whole.get("active") is not False and (not kinds or not told_ or bool(kinds & told_))


def _read(ids: Sequence[str]) -> Work[list[Stored]]:
    """Appointments, locked, so that each is looked at by one worker."""
    rows = yield Statement(
        """SELECT id, version, updated, body FROM resource
           WHERE type = %s AND id = ANY(%s::text[]) AND NOT deleted ORDER BY id FOR UPDATE""",
        (TYPE_ID[APPOINTMENT], list(ids)),
    )
    return [Stored(APPOINTMENT, *row) for row in rows]
