"""The axis of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.care.plot.times import english, ticks

BERLIN = ZoneInfo("Europe/Berlin")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("begin", "end", "written"),
    [
        ("2026-03-01T00:00+01:00", "2026-03-02T00:00+01:00", ["1 Mar", "06:00", "12:00", "18:00", "2 Mar"]),
        ("2026-03-02T05:00+01:00", "2026-03-05T04:00+01:00", ["12:00", "3 Mar", "12:00", "4 Mar", "12:00", "5 Mar"]),
        ("2026-03-01T12:00+01:00", "2026-03-08T12:00+01:00", [f"{day} Mar" for day in range(2, 9)]),
        ("2026-03-01T00:00+01:00", "2026-03-31T00:00+02:00", ["2 Mar", "9 Mar", "16 Mar", "23 Mar", "30 Mar"]),
        ("2025-11-15T00:00+01:00", "2026-04-20T00:00+02:00", ["Dec", "Jan 2026", "Feb", "Mar", "Apr"]),
        ("2019-06-01T00:00+02:00", "2026-06-01T00:00+02:00", [str(year) for year in range(2020, 2027)]),
    ],
)
def test_ticks_are_round_in_their_zone(begin: str, end: str, written: list[str]) -> None:
    """Ticks stand at round hours, days, Mondays, months and years of the time zone, as many as there is room for."""
    assert [english(tick) for tick in ticks(_at(begin), _at(end), BERLIN)] == written


@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25"])
def test_ticks_of_days_stay_at_midnight_when_the_clocks_change(day: str) -> None:
    """Days of 23 and 25 hours have their ticks at midnight all the same."""
    change = datetime.fromisoformat(day).replace(tzinfo=BERLIN)
    found = ticks(_at(str(change - timedelta(days=2))), _at(str(change + timedelta(days=3))), BERLIN)
    assert [(tick.at.hour, tick.at.minute) for tick in found] == [(0, 0)] * len(found)
    assert len(found) == 6


def test_ticks_of_a_long_time_are_few() -> None:
    """However long the time, ticks do not become more than there is room for."""
    assert len(ticks(_at("1900-01-01T00:00Z"), _at("2026-01-01T00:00Z"), UTC)) <= 7
