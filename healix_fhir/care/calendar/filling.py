"""Keeps the Schedules and Slots of all that has opening hours, as far ahead as the setting says.

A job of the worker rolls all calendars on each night, and fills one when its source has changed. What is there already
is left alone, so it can be done any number of times. Free slots that the hours no longer have are deleted; those that
are taken stay with their Appointments, and are closed for others (`busy-unavailable`), until the hours have them again.

Spec: FHIR R4, hl7.org/fhir/R4/schedule.html, slot.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.care.calendar.hours import DAY
from healix_fhir.care.calendar.marking import mark
from healix_fhir.care.calendar.source import MINUTES, TYPES, Source, minutes_of, planned, schedule, schedule_id
from healix_fhir.interaction.accept import change
from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.jobs import enqueue
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME, search_parameters
from healix_fhir.model.json import decode_stored
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from healix_fhir.store.taken import free, local, ranges
from smart_auth.access import internal

Json = Mapping[str, Any]
TASK, ROLL = "calendar.fill", "calendar.roll"
AT_ONCE = 500
"""Slots that one transaction writes."""
CLOSED = "The opening hours do not have this time any more"
"""The comment of a slot that this server has closed."""
WRITER = internal("healix-calendar")


def consumer(events: Sequence[Event]) -> Work[None]:
    """Ask for the calendars of sources that have changed to be filled; of the topic `resource`."""
    changed = sorted({(one.payload["type"], one.payload["id"]) for one in events if one.payload["type"] in TYPES})
    if not changed:
        return
    rows = yield Statement(
        """SELECT x.type, x.id FROM unnest(%s::smallint[], %s::text[], %s::text[]) AS x (type, id, schedule)
           LEFT JOIN resource r ON r.type = x.type AND r.id = x.id COLLATE "C"
           LEFT JOIN resource s ON s.type = %s AND s.id = x.schedule COLLATE "C" AND NOT s.deleted
           WHERE s.pk IS NOT NULL OR position(%s::bytea IN r.body) > 0""",
        (
            [TYPE_ID[kind] for kind, _ in changed],
            [id_ for _, id_ in changed],
            [schedule_id(f"{kind}/{id_}") for kind, id_ in changed],
            TYPE_ID["Schedule"],
            MINUTES.encode(),
        ),
    )
    for kind, id_ in rows:
        reference = f"{TYPE_NAME[kind]}/{id_}"
        yield enqueue(TASK, {"source": reference}, lock=reference)


def sources() -> Work[list[str]]:
    """All that has a calendar, or is to have one, as `Type/ID`."""
    rows = yield Statement(
        "SELECT type, id FROM resource WHERE type = ANY(%s) AND NOT deleted AND position(%s::bytea IN body) > 0",
        ([TYPE_ID[kind] for kind in TYPES], MINUTES.encode()),
    )
    return [f"{TYPE_NAME[kind]}/{id_}" for kind, id_ in rows]


def fill(
    pool: ConnectionPool[Connection[Row]], reference: str, zone: ZoneInfo, days: int, bases: tuple[str, ...]
) -> int:
    """Bring the calendar of one source up to date, in transactions of some hundred slots; how many were changed."""
    return sum(transaction(pool, step) for step in _steps(pool, reference, zone, days, bases))


def _steps(
    pool: ConnectionPool[Connection[Row]], reference: str, zone: ZoneInfo, days: int, bases: tuple[str, ...]
) -> Iterator[Callable[[], Work[int]]]:
    now = clock.now()
    source = transaction(pool, lambda: _source(reference))
    known = transaction(pool, lambda: _there(schedule_id(reference), now))
    if source is None:
        yield lambda: _end(schedule_id(reference), bases)
        plan: dict[str, dict[str, Any]] = {}
    else:
        of, own = source, source.zone(zone)
        yield lambda: _schedule(of, own, now, days, bases)
        plan = planned(source, own, now, days)
    made = [*_new(plan, known, bases), *_gone(plan, known, bases)]
    for start in range(0, len(made), AT_ONCE):
        group = made[start : start + AT_ONCE]
        yield lambda group=group: _write(group, known, bases)  # type: ignore[misc]


def _new(plan: Mapping[str, dict[str, Any]], known: Mapping[str, Json], bases: tuple[str, ...]) -> Iterator[Change]:
    for id_, one in plan.items():
        old = known.get(id_)
        if old is None or _is_closed(old):
            yield change(Method.PUT, one, "Slot", id_, bases)


def _gone(plan: Mapping[str, Json], known: Mapping[str, Json], bases: tuple[str, ...]) -> Iterator[Change]:
    for id_, old in known.items():
        if id_ in plan:
            continue
        if old["status"] == "free":
            yield Change(Method.DELETE, "Slot", id_)
        elif old["status"] in ("busy", "busy-tentative"):
            yield _closing(id_, old, bases)


def _is_closed(slot: Json) -> bool:
    return bool(slot["status"] == "busy-unavailable" and slot.get("comment") == CLOSED)


def _closing(id_: str, old: Json, bases: tuple[str, ...]) -> Change:
    rest = {name: value for name, value in old.items() if name != "meta"}
    return change(Method.PUT, rest | {"status": "busy-unavailable", "comment": CLOSED}, "Slot", id_, bases)


def _write(changes: Sequence[Change], known: Mapping[str, Json], bases: tuple[str, ...]) -> Work[int]:
    """Write slots; what somebody has done with one meanwhile is found the next time.

    The status of a slot follows what is taken a moment later: one that is taken already is closed instead of deleted,
    and one that is opened anew is marked again for who has it.
    """
    gone = [one.id for one in changes if one.method is Method.DELETE]
    taken = yield from free([(id_, ranges([id_], {})) for id_ in gone])
    done = yield from commit(
        WRITER, [_closing(one.id, known[one.id], bases) if one.id in taken else one for one in changes]
    )
    if anew := [
        one.id for one in changes if one.method is Method.PUT and _is_closed(known.get(one.id, one.resource or {}))
    ]:
        yield from mark(sorted(anew), bases, None)
    return sum(one.changed for one in done)


def _schedule(source: Source, zone: ZoneInfo, now: datetime, days: int, bases: tuple[str, ...]) -> Work[int]:
    first = now.astimezone(zone).date()
    made = schedule(source, zone, first, first + DAY * days)
    done = yield from commit(WRITER, [change(Method.PUT, made, "Schedule", source.schedule, bases)])
    return sum(one.changed for one in done)


def _end(id_: str, bases: tuple[str, ...]) -> Work[int]:
    """The Schedule of what is there no longer is not in use; it stays, as Slots refer to it."""
    rows = yield Statement(
        "SELECT body FROM resource WHERE type = %s AND id = %s AND NOT deleted", (TYPE_ID["Schedule"], id_)
    )
    changes = [
        change(Method.PUT, dict(decode_stored(body)) | {"active": False}, "Schedule", id_, bases) for (body,) in rows
    ]
    done = (yield from commit(WRITER, changes)) if changes else []
    return sum(one.changed for one in done)


def _source(reference: str) -> Work[Source | None]:
    kind, id_ = reference.split("/")
    found = yield from _read([(kind, id_)])
    resource = found.get((kind, id_))
    if resource is None or minutes_of(resource) is None:
        return None
    named = [local(one) for one in resource.get("healthcareService", ())]
    services = [one for one in named if one is not None]
    people = [resource.get("practitioner"), *resource.get("location", ())]
    others = [one for one in map(local, people) if one is not None]
    further = yield from _read([*services, *others])
    names = {f"{one[0]}/{one[1]}": called(further[one]) for one in others if one in further}
    return Source(resource, [further[one] for one in services if one in further], names)


def called(resource: Json) -> str:
    """What people call a Practitioner or Location."""
    name = resource.get("name", "")
    if isinstance(name, str):
        return name
    first = name[0] if name else {}
    parts = (*first.get("prefix", ()), *first.get("given", ()), first.get("family", ""))
    return str(first.get("text") or " ".join(filter(None, parts)))


def _read(asked: Sequence[tuple[str, str]]) -> Work[dict[tuple[str, str], Json]]:
    rows = yield Statement(
        """SELECT r.type, r.id, r.body FROM unnest(%s::smallint[], %s::text[]) AS x (type, id)
           JOIN resource r ON r.type = x.type AND r.id = x.id COLLATE "C" WHERE NOT r.deleted""",
        ([TYPE_ID[kind] for kind, _ in asked], [id_ for _, id_ in asked]),
    )
    return {(TYPE_NAME[kind], id_): decode_stored(body) for kind, id_, body in rows}


def _there(schedule: str, now: datetime) -> Work[dict[str, Json]]:
    """The Slots of a Schedule that are still to come, by id."""
    rows = yield Statement(
        """SELECT r.id, r.body FROM index_reference i JOIN resource r ON r.pk = i.pk
           WHERE i.param = %s AND i.target = %s AND i.target_type = %s AND i.d > %s AND r.type = %s
             AND NOT r.deleted""",
        (search_parameters("Slot")["schedule"].id, schedule, TYPE_ID["Schedule"], now, TYPE_ID["Slot"]),
    )
    return {id_: decode_stored(body) for id_, body in rows}
