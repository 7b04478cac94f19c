"""Appointments and free times as lines of a list, by the clinic's clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from healix_fhir.kernel.language.catalogue import Words, say
from healix_fhir.kernel.language.dates import long_day, weekday
from healix_fhir.model.appointment import held_until, moment
from healix_fhir.operation.appointment.series import series_of
from healix_fhir.operation.appointment.wish import patients_of
from healix_fhir.store.taken import local

Json = Mapping[str, Any]
STATUSES = Words(
    {
        "proposed": "asked for",
        "pending": "held for you",
        "booked": "booked",
        "arrived": "arrived",
        "checked-in": "checked in",
        "fulfilled": "over",
        "cancelled": "cancelled",
        "noshow": "missed",
        "waitlist": "on the waiting list",
        "entered-in-error": "entered by mistake",
    }
)
"""Statuses as people call them."""
OPEN = frozenset({"proposed", "pending", "booked", "waitlist"})
"""Statuses of what can be cancelled by a patient."""
EXPECTED = frozenset({"booked", "checked-in"})


@dataclass(frozen=True, slots=True)
class Line:
    """An Appointment: `day` and `time` as people read them, `start` for machines; `patient` is a logical id; `series`
    says that it is one of several.
    """

    id: str
    start: str
    day: str
    time: str
    people: str
    kind: str
    status: str
    state: str
    comment: str
    patient: str
    until: str
    series: bool

    def is_to_come(self, now: datetime) -> bool:
        """Whether it is expected to begin, in whichever zone its start is written."""
        return self.status != "cancelled" and self.start != "" and moment(self.start) >= now


@dataclass(frozen=True, slots=True)
class Choice:
    """A time that is free."""

    slot: str
    time: str
    people: str


def line(appointment: Json, zone: ZoneInfo, bases: tuple[str, ...]) -> Line:
    """An Appointment of the server of `bases` as a line."""
    start, end = appointment.get("start"), appointment.get("end")
    begin = moment(start).astimezone(zone) if start else None
    until = held_until(appointment)
    return Line(
        appointment["id"],
        start or "",
        day(begin.date()) if begin else "",
        say("{first} to {last}", first=f"{begin:%H:%M}", last=f"{moment(str(end)).astimezone(zone):%H:%M}")
        if begin
        else "",
        ", ".join(named(one.get("actor", {}) for one in appointment.get("participant", ()))),
        kind(appointment),
        appointment["status"],
        STATUSES.get(appointment["status"], appointment["status"]),
        appointment.get("comment", ""),
        next((one.rpartition("/")[2] for one in patients_of(appointment, bases)), ""),
        _until(until.astimezone(zone)) if until else "",
        series_of(appointment) is not None,
    )


def named(actors: Iterable[Json]) -> Iterator[str]:
    """The names of who and what takes part beside the patient."""
    for actor in actors:
        found = local(actor)
        if actor.get("display") and (found is None or found[0] not in ("Patient", "RelatedPerson")):
            yield str(actor["display"])


def kind(resource: Json) -> str:
    """What an Appointment or Slot is for."""
    for concept in resource.get("serviceType", ()):
        codings = [one.get("display", "") for one in concept.get("coding", ())]
        told = concept.get("text") or next(filter(None, codings), "")
        if told:
            return str(told)
    return ""


def day(when: date) -> str:
    """A day as people read it."""
    return long_day(when)


def _span(first: datetime, last: datetime) -> str:
    return say("{first} to {last}", first=f"{first:%H:%M}", last=f"{last:%H:%M}")


def _until(when: datetime) -> str:
    return f"{weekday(when)} {when:%H:%M}"


def days(slots: Sequence[Json], schedules: Mapping[str, Json], zone: ZoneInfo) -> list[tuple[date, str, list[Choice]]]:
    """Free times by day."""
    found: dict[date, list[Choice]] = {}
    for slot in slots:
        begin = moment(slot["start"]).astimezone(zone)
        schedule = schedules.get((local(slot.get("schedule")) or ("", ""))[1], {})
        people = ", ".join(named(schedule.get("actor", ())))
        found.setdefault(begin.date(), []).append(Choice(slot["id"], f"{begin:%H:%M}", people))
    return [(when, day(when), choices) for when, choices in found.items()]


def day_of(text: str, default: date) -> date:
    """A day as a browser sends it."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return default
    return found if 1900 < found.year < 9000 else default


def midnight(when: date, zone: ZoneInfo) -> datetime:
    """When a day begins by a clock."""
    return datetime(when.year, when.month, when.day, tzinfo=zone)


def week(when: date) -> list[date]:
    """The days of the week of a day, from Monday."""
    first = when - timedelta(days=when.weekday())
    return [first + timedelta(days=number) for number in range(7)]
