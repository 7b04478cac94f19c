"""Slots from opening hours: by the clinic's clock, through its changes, without holidays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care.calendar.hours import problems, slots

VIENNA = ZoneInfo("Europe/Vienna")
HALF = timedelta(minutes=30)
Json = Mapping[str, Any]


def hours(start: str, end: str, *days: str) -> Json:
    """One entry of availableTime."""
    named = {"daysOfWeek": list(days)} if days else {}
    return {**named, "availableStartTime": f"{start}:00", "availableEndTime": f"{end}:00"}


def starts(
    available: list[Json], first: str, last: str, closed: tuple[Json, ...] = (), zone: ZoneInfo = VIENNA
) -> list[str]:
    """When slots of half an hour begin, in UTC."""
    made = slots(available, closed, zone, HALF, date.fromisoformat(first), date.fromisoformat(last))
    assert all(end - start == HALF for start, end in made)
    return [f"{start:%m-%dT%H:%M}" for start, _ in made]


@pytest.mark.spec("FHIR R4 practitionerrole.html")
def test_days_and_times() -> None:
    """Slots are on the days that are named, within the times, and none goes over the end."""
    assert starts([hours("09:00", "10:15", "mon", "wed")], "2026-01-05", "2026-01-07") == [
        "01-05T08:00", "01-05T08:30", "01-07T08:00", "01-07T08:30",
    ]  # fmt: skip
    assert len(starts([{"daysOfWeek": ["sun"], "allDay": True}], "2026-01-05", "2026-01-11")) == 48
    assert len(starts([{}], "2026-01-05", "2026-01-05")) == 48


@pytest.mark.parametrize(
    ("day", "begin", "end", "expected"),
    [
        # 29 March 2026: at 02:00 the clock goes to 03:00
        ("2026-03-29", "01:00", "04:00", ["03-29T00:00", "03-29T00:30", "03-29T01:00", "03-29T01:30"]),
        ("2026-03-29", "02:00", "03:30", ["03-29T01:00"]),
        ("2026-03-29", "02:00", "03:00", []),
        ("2026-03-29", "02:30", "04:00", ["03-29T01:00", "03-29T01:30"]),
        ("2026-03-29", "01:00", "02:00", ["03-29T00:00", "03-29T00:30"]),
        ("2026-03-29", "01:00", "02:30", ["03-29T00:00", "03-29T00:30"]),
        ("2026-03-29", "09:00", "09:30", ["03-29T07:00"]),
        ("2026-03-28", "09:00", "09:30", ["03-28T08:00"]),
        # 25 October 2026: at 03:00 it goes back to 02:00
        ("2026-10-25", "01:30", "03:00", ["10-24T23:30", "10-25T00:00", "10-25T00:30", "10-25T01:00", "10-25T01:30"]),
        ("2026-10-25", "02:00", "02:30", ["10-25T00:00", "10-25T00:30", "10-25T01:00"]),
        ("2026-10-25", "09:00", "09:30", ["10-25T08:00"]),
    ],
)
def test_the_clock_changes(day: str, begin: str, end: str, expected: list[str]) -> None:
    """An hour that the clock leaves out has no slots, one that comes twice has them twice, and the day goes on."""
    assert starts([hours(begin, end)], day, day) == expected


@pytest.mark.parametrize(
    ("during", "left"),
    [
        ({"start": "2026-01-06", "end": "2026-01-06"}, ["01-05T08:00", "01-07T08:00"]),
        ({"start": "2026-01-06"}, ["01-05T08:00"]),
        ({"end": "2026-01-06"}, ["01-07T08:00"]),
        ({"start": "2026-01", "end": "2026-01"}, []),
        ({"start": "2026", "end": "2026"}, []),
        ({"start": "2025", "end": "2025"}, ["01-05T08:00", "01-06T08:00", "01-07T08:00"]),
        ({"start": "2026-01-05T09:10:00+01:00", "end": "2026-01-06T08:00:00Z"}, ["01-07T08:00"]),
        ({"start": "0001-01-01", "end": "9999-12-31"}, []),
        ({}, ["01-05T08:00", "01-06T08:00", "01-07T08:00"]),
    ],
)
@pytest.mark.spec("FHIR R4 healthcareservice.html")
def test_holidays(during: Json, left: list[str]) -> None:
    """A day of a holiday is one of the clinic's clock, and its last one belongs to it; a slot is free of it whole."""
    assert starts([hours("09:00", "09:30")], "2026-01-05", "2026-01-07", ({"during": during},)) == left


def test_times_that_overlap_are_one() -> None:
    """Nobody is offered the same time twice."""
    assert starts([hours("09:00", "10:00"), hours("09:15", "10:30")], "2026-01-05", "2026-01-05") == [
        "01-05T08:00", "01-05T08:30", "01-05T09:00",
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe", "UTC"])
def test_nine_is_nine_by_the_clock_of_the_zone(zone: str) -> None:
    """Whatever the zone and the season, the first slot is at nine."""
    made = slots([hours("09:00", "09:30")], (), ZoneInfo(zone), HALF, date(2026, 1, 1), date(2026, 12, 31))
    assert {f"{start.astimezone(ZoneInfo(zone)):%H:%M}" for start, _ in made} == {"09:00"}
    assert len(made) == 365
    assert all(start.tzinfo is UTC and start > datetime(2025, 12, 30, tzinfo=UTC) for start, _ in made)


@pytest.mark.parametrize(
    ("available", "told"),
    [
        ([hours("09:00", "12:00", "mon"), hours("13:00", "17:00", "mon")], []),
        ([hours("09:00", "12:00", "mon"), hours("11:00", "17:00", "mon")], ["mon: the times overlap at 11:00"]),
        ([hours("09:00", "09:00", "tue")], ["tue: 09:00 to 09:00 ends before it begins, or takes no time"]),
    ],
)
def test_what_is_wrong_with_hours(available: list[Json], told: list[str]) -> None:
    """Times that overlap, or take no time, are told by their day."""
    assert list(problems(available)) == told
