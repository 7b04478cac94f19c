"""The feed of appointments, read by a parser that is not ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from healix_fhir.care.calendar.icalendar import escaped, feed, folded

LONG = "Dr. Łucja Österreicher; Chirurgie, Raum 5\\2 " + "ü" * 80


def appointment(status: str = "booked", **more: Any) -> dict[str, Any]:
    """An Appointment of a patient with somebody, somewhere."""
    return {
        "resourceType": "Appointment",
        "id": "a1",
        "meta": {"versionId": "3", "lastUpdated": "2026-01-01T10:00:00.000Z"},
        "status": status,
        "start": "2026-03-29T01:30:00+01:00",
        "end": "2026-03-29T03:30:00+02:00",
        "comment": "Canary",
        "participant": [
            {"actor": {"reference": "Patient/p", "display": "Canary"}, "status": "accepted"},
            {"actor": {"reference": "RelatedPerson/r", "display": "Canary"}, "status": "accepted"},
            {"actor": {"reference": "Practitioner/d", "display": LONG}, "status": "accepted"},
            {"actor": {"reference": "Location/l", "display": "Room 5"}, "status": "accepted"},
        ],
        **more,
    }


def test_another_parser_reads_the_feed() -> None:
    """Times are UTC, texts come back whole, an update has a later sequence, and patients are not named."""
    made = feed([appointment()], "clinic.test", "Appointments", "https://clinic.test/account/appointments")
    calendar = Calendar.from_ical(made)
    (event,) = calendar.walk("VEVENT")
    assert event.errors == []
    assert event["UID"] == "a1@clinic.test"
    assert event.decoded("DTSTART") == datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    assert event.decoded("DTEND") == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert (str(event["SEQUENCE"]), str(event["STATUS"]), str(event["LOCATION"])) == ("2", "CONFIRMED", "Room 5")
    assert str(event["SUMMARY"]) == f"Appointment with {LONG}"
    assert b"Canary" not in made
    assert calendar["VERSION"] == "2.0"
    assert made.endswith(b"END:VCALENDAR\r\n")
    assert all(len(line) <= 75 for line in made.split(b"\r\n"))
    assert b"\n" not in made.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("status", "told"),
    [("cancelled", "CANCELLED"), ("pending", "TENTATIVE"), ("waitlist", None), ("entered-in-error", None)],
)
def test_statuses(status: str, told: str | None) -> None:
    """What is cancelled is told as cancelled; what has no time, or never was, is not there."""
    calendar = Calendar.from_ical(feed([appointment(status)], "h", "n", "u"))
    assert [str(one["STATUS"]) for one in calendar.walk("VEVENT")] == ([told] if told else [])


@given(st.text())
def test_texts_are_escaped_and_folded(text: str) -> None:
    """Any text comes back from a line, whatever is in it, but for characters that none may hold."""
    line = folded(f"SUMMARY:{escaped(text)}")
    assert all(len(piece) <= 75 for piece in line.split(b"\r\n"))
    unfolded = line.replace(b"\r\n ", b"").removesuffix(b"\r\n").decode()
    assert "\n" not in unfolded
    assert "\r" not in unfolded
    whole = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n" + line + b"END:VCALENDAR\r\n"
    kept = "".join(one for one in text.replace("\r\n", "\n") if one >= " " or one in "\n\t")
    assert str(Calendar.from_ical(whole)["SUMMARY"]) == kept
