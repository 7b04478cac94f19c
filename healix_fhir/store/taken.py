"""What of calendars is taken: each slot by one Appointment, and each moment of a person, room or device by one.

The table `taken` holds a range of numbers for each slot, and for the time of each one whose calendar it is. The number
of a moment is that of the calendar, from a hash of its name, followed by microseconds; so two ranges overlap only when
they are of one calendar and of one time, and an exclusion constraint of plain ranges, which needs no extension of
PostgreSQL, lets no two transactions have both. It holds whichever way an Appointment is written.

Taken are the slots that an Appointment names in a status of `model.appointment.TAKING`. Of the actors of a slot's
Schedule Practitioners and Devices have one time, a PractitionerRole that of its Practitioner, and a Location where it
is a room, a bed or a vehicle; a HealthcareService, or a whole building, sees several at once. A slot that is not on
this server is taken as well. Without slots an Appointment takes nothing: it tells what was agreed on elsewhere.

A hold that is over takes nothing any more, whether its Appointment says so yet or not.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html, slot.html, schedule.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Column, DateTime, Index, Table, Text
from sqlalchemy.dialects.postgresql import NUMRANGE, ExcludeConstraint

from healix_fhir.kernel.database import Statement, Work, metadata
from healix_fhir.kernel.hashing import key64
from healix_fhir.model.appointment import moment
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.json import decode_stored

taken = Table(
    "taken",
    metadata,
    Column("appointment", Text(collation="C"), nullable=False),
    Column("span", NUMRANGE, nullable=False),
    Column("until", DateTime(timezone=True)),  # of a hold: when it is over
    ExcludeConstraint(("span", "&&"), name="taken_once", using="gist"),
    comment="slots and times of calendars that Appointments take; see store/taken.py",
)
Index("taken_appointment", taken.c.appointment)
Index("taken_until", taken.c.until, postgresql_where=taken.c.until.is_not(None))

slot_mark = Table(
    "slot_mark",
    metadata,
    Column("slot", Text(collation="C"), primary_key=True),
    Column("appointment", Text(collation="C"), primary_key=True),
    comment="slots that this server has made busy; see care/calendar/marking.py",
)
Index("slot_mark_appointment", slot_mark.c.appointment)

Json: TypeAlias = Mapping[str, Any]
Known: TypeAlias = Mapping[tuple[str, str], Json]
"""Resources by type and id."""

ROOM = 10**18
"""More than there are microseconds until the year 10000."""
EPOCH, MICROSECOND = datetime(1, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
ONE_AT_A_TIME = frozenset({"Practitioner", "PractitionerRole", "Device"})
ROOMS = frozenset({"ro", "bd", "ve"})
"""Codes of Location.physicalType. Spec: terminology.hl7.org, location-physical-type"""
LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


class Range(NamedTuple):
    """What is taken: numbers from `lo` on, before `hi`."""

    lo: int
    hi: int


class Place(NamedTuple):
    """A slot that an Appointment may take: as it is, and the calendars (`Type/id`) whose time it takes."""

    slot: Json
    calendars: tuple[str, ...]


def local(reference: Json | None) -> tuple[str, str] | None:
    """The type and id on this server that a literal reference names; none where it names another server's.

    Calendars name what is on this server without its address: they are taken in so (healix_fhir/interaction/calendars).
    """
    found = LOCAL.fullmatch(str((reference or {}).get("reference", "")))
    return (found[1], found[2]) if found is not None and found[1] in TYPE_ID else None


def slots_of(appointment: Json) -> list[str]:
    """The ids of the slots that an Appointment names, each once."""
    named = (local(one) for one in appointment.get("slot", ()))
    return list(dict.fromkeys(one[1] for one in named if one is not None and one[0] == "Slot"))


def places(ids: Sequence[str], known: Known) -> Work[dict[str, Place]]:
    """The slots with these ids that there are; `known` are resources that are about to be written."""
    slots = yield from _found([("Slot", id_) for id_ in ids], known)
    named = {id_: local(slot.get("schedule")) for (_, id_), slot in slots.items()}
    schedules = yield from _found([one for one in named.values() if one is not None], known)
    actors = {key: [local(actor) for actor in one.get("actor", ())] for key, one in schedules.items()}
    asked = [one for each in actors.values() for one in each if one is not None and one[0] in _LOOKED_AT]
    looked = yield from _found(asked, known)
    return {
        id_: Place(slot, _calendars(actors.get(schedule, []) if (schedule := named[id_]) else [], looked))
        for (_, id_), slot in slots.items()
    }


_LOOKED_AT = ("PractitionerRole", "Location")


def _found(asked: Sequence[tuple[str, str]], known: Known) -> Work[dict[tuple[str, str], Json]]:
    found = {one: known[one] for one in asked if one in known}
    missing = sorted({one for one in asked if one not in known})
    if missing:
        rows = yield Statement(
            """SELECT r.type, r.id, r.body FROM unnest(%s::smallint[], %s::text[]) AS x (type, id)
               JOIN resource r ON r.type = x.type AND r.id = x.id COLLATE "C" WHERE NOT r.deleted""",
            ([TYPE_ID[kind] for kind, _ in missing], [id_ for _, id_ in missing]),
        )
        found |= {(TYPE_NAME[kind], id_): decode_stored(body) for kind, id_, body in rows}
    return found


def _calendars(actors: Iterable[tuple[str, str] | None], looked: Known) -> tuple[str, ...]:
    found = []
    for actor in actors:
        if actor is None:
            continue
        kind, id_ = actor
        if kind == "PractitionerRole" and (person := local(looked.get(actor, {}).get("practitioner"))):
            kind, id_ = person
        if kind in ONE_AT_A_TIME or (kind == "Location" and _is_room(looked.get(actor, {}))):
            found.append(f"{kind}/{id_}")
    return tuple(dict.fromkeys(found))


def _is_room(location: Json) -> bool:
    codings = location.get("physicalType", {}).get("coding", ())
    return any(coding.get("code") in ROOMS for coding in codings)


def ranges(slots: Iterable[str], there: Mapping[str, Place]) -> list[Range]:
    """What an Appointment takes with these slots; times of one calendar that touch are one range."""
    times: dict[str, list[tuple[int, int]]] = {}
    whole = []
    for id_ in slots:
        first = _number(f"Slot/{id_}")
        whole.append(Range(first, first + 1))
        if (place := there.get(id_)) is not None:
            for calendar in place.calendars:
                times.setdefault(calendar, []).append((_since(place.slot["start"]), _since(place.slot["end"])))
    return whole + [
        Range(first + lo, first + hi)
        for calendar, each in times.items()
        for first in [_number(calendar)]
        for lo, hi in _joined(each)
    ]


def _number(calendar: str) -> int:
    return key64(calendar) * ROOM


def _since(instant: str) -> int:
    return (moment(instant) - EPOCH) // MICROSECOND


def _joined(times: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for lo, hi in sorted(times):
        if joined and lo <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(hi, joined[-1][1]))
        elif lo < hi:
            joined.append((lo, hi))
    return joined


def free(asked: Sequence[tuple[str, Sequence[Range]]], but: str = "") -> Work[dict[str, str]]:
    """By slot whether its ranges are `taken` or `held`; others are missing. The Appointment `but` does not count."""
    if not asked:
        return {}
    rows = yield Statement(
        """SELECT x.slot, bool_or(t.until IS NULL)
           FROM unnest(%s::text[], %s::numeric[], %s::numeric[]) AS x (slot, lo, hi)
           JOIN taken t ON t.span && numrange(x.lo, x.hi)
           WHERE (t.until IS NULL OR t.until > now()) AND t.appointment <> %s GROUP BY x.slot""",
        (
            [slot for slot, each in asked for _ in each],
            *edges([one for _, each in asked for one in each]),
            but,
        ),
        prepare=False,
    )
    return {slot: "taken" if whole else "held" for slot, whole in rows}


def edges(asked: Iterable[Range]) -> tuple[list[Decimal], list[Decimal]]:
    """Ranges as parameters: what begins them, and what ends them."""
    found = list(asked)
    return [Decimal(one.lo) for one in found], [Decimal(one.hi) for one in found]


class Taking(NamedTuple):
    """What one Appointment takes from now on, instead of what it took."""

    appointment: str
    ranges: Sequence[Range]
    until: datetime | None


def take(asked: Sequence[Taking]) -> Work[set[str]]:
    """Let Appointments take what they ask for, the first ones first; returns those that cannot have it, which keep what
    they had. Waits for other transactions that want the same.
    """
    before = yield Statement(
        """DELETE FROM taken WHERE appointment = ANY(%s::text[])
           RETURNING appointment, lower(span), upper(span), until""",
        ([one.appointment for one in asked],),
    )
    wanted = [
        (one.appointment, Decimal(each.lo), Decimal(each.hi), one.until) for one in asked for each in sorted(one.ranges)
    ]
    if not wanted:
        return set()
    yield Statement(
        """UPDATE taken SET span = 'empty' WHERE until <= now() AND span && ANY(
             SELECT numrange(lo, hi) FROM unnest(%s::numeric[], %s::numeric[]) AS x (lo, hi))""",
        ([lo for _, lo, _, _ in wanted], [hi for _, _, hi, _ in wanted]),
    )
    got = yield _insert(wanted)
    counts: dict[str, int] = {}
    for (appointment,) in got:
        counts[appointment] = counts.get(appointment, 0) + 1
    refused = {one.appointment for one in asked if counts.get(one.appointment, 0) < len(one.ranges)}
    if refused:
        yield Statement("DELETE FROM taken WHERE appointment = ANY(%s::text[])", (sorted(refused),))
        again = [row for row in before if row[0] in refused]
        if again:
            yield _insert(again)
    return refused


def _insert(rows: Sequence[tuple[Any, ...]]) -> Statement:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return Statement(
        """INSERT INTO taken (appointment, span, until)
           SELECT x.appointment, CASE WHEN x.lo IS NULL THEN 'empty' ELSE numrange(x.lo, x.hi) END, x.until
           FROM unnest(%s::text[], %s::numeric[], %s::numeric[], %s::timestamptz[]) WITH ORDINALITY
             AS x (appointment, lo, hi, until, n)
           ORDER BY x.n ON CONFLICT DO NOTHING RETURNING appointment""",
        columns,
    )
