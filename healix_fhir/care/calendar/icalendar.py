"""Appointments as an iCalendar feed: pure.

Times are in UTC, so that no VTIMEZONE is needed. A feed goes to programs of other companies: it tells when, where and
with which clinician, and names no patient, not even to the clinician whose patient it is.

Spec: RFC 5545 3.1 (folding), 3.3.11 (escaping), 3.6.1 (VEVENT); RFC 7986 5.7 (REFRESH-INTERVAL)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from healix_fhir.model.appointment import moment
from healix_fhir.store.taken import local

Json = Mapping[str, Any]
MEDIA = "text/calendar; charset=utf-8"
OCTETS = 75
STATUSES: Mapping[str, str] = MappingProxyType(
    {
        "proposed": "TENTATIVE", "pending": "TENTATIVE", "booked": "CONFIRMED", "arrived": "CONFIRMED",
        "checked-in": "CONFIRMED", "fulfilled": "CONFIRMED", "noshow": "CONFIRMED", "cancelled": "CANCELLED",
    }
)  # fmt: skip
"""Of Appointments that are in a feed; those that are waited for have no time, and mistakes are none."""


def feed(appointments: Iterable[Json], host: str, name: str, address: str) -> bytes:
    """The calendar `name` of a server at `host`; `address` is where a person reads more."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Healix//Appointments//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        f"NAME:{escaped(name)}",
        f"X-WR-CALNAME:{escaped(name)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
    ]
    for one in appointments:
        if one.get("status") in STATUSES and "start" in one and "end" in one:
            lines += _event(one, host, address)
    lines.append("END:VCALENDAR")
    return b"".join(folded(line) for line in lines)


def _event(appointment: Json, host: str, address: str) -> Iterator[str]:
    meta = appointment.get("meta", {})
    yield "BEGIN:VEVENT"
    yield f"UID:{appointment['id']}@{host}"
    yield f"DTSTAMP:{stamp(moment(meta.get('lastUpdated', appointment['start'])))}"
    yield f"SEQUENCE:{max(int(meta.get('versionId', '1')) - 1, 0)}"
    yield f"DTSTART:{stamp(moment(appointment['start']))}"
    yield f"DTEND:{stamp(moment(appointment['end']))}"
    yield f"STATUS:{STATUSES[appointment['status']]}"
    yield f"SUMMARY:{escaped(summary(appointment))}"
    if places := [called for kind, called in _others(appointment) if kind == "Location"]:
        yield f"LOCATION:{escaped(', '.join(places))}"
    yield f"URL:{address}"
    yield "END:VEVENT"


def summary(appointment: Json) -> str:
    """What an appointment is called."""
    people = [called for kind, called in _others(appointment) if kind != "Location"]
    return f"Appointment with {', '.join(people)}" if people else "Appointment"


def _others(appointment: Json) -> Iterator[tuple[str, str]]:
    """Who and what takes part beside patients and who belongs to them, by their names."""
    for one in appointment.get("participant", ()):
        actor = one.get("actor", {})
        found = local(actor)
        if found is not None and found[0] not in ("Patient", "RelatedPerson") and actor.get("display"):
            yield found[0], str(actor["display"])


def stamp(when: datetime) -> str:
    """A date with UTC time. Spec: RFC 5545 3.3.5"""
    return f"{when.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def escaped(text: str) -> str:
    """A text value; characters that none may hold are left out."""
    kept = "".join(one for one in text.replace("\r\n", "\n") if one >= " " or one in "\n\t")
    for character in ("\\", ";", ","):
        kept = kept.replace(character, f"\\{character}")
    return kept.replace("\n", "\\n")


def folded(line: str) -> bytes:
    """A content line in pieces of 75 octets at most, none of which cuts a character."""
    pieces: list[bytes] = [b""]
    for character in line:
        encoded = character.encode()
        room = OCTETS if len(pieces) == 1 else OCTETS - 1
        if len(pieces[-1]) + len(encoded) > room:
            pieces.append(b"")
        pieces[-1] += encoded
    return b"\r\n ".join(pieces) + b"\r\n"


def ordered(appointments: Sequence[Json]) -> list[Json]:
    """Appointments with a time, by it."""
    return sorted((one for one in appointments if "start" in one), key=lambda one: moment(one["start"]))
