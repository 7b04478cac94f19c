"""Readings as plots and rows, and the time that a page shows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.operation.measurement.daily import COURSES, Day
from healix_fhir.operation.measurement.measured import Measured
from healix_fhir.operation.measurement.metrics import METRICS
from healix_fhir.pages.readings.gathered import Gathered
from healix_fhir.pages.readings.plots import ROWS, shown
from healix_fhir.pages.readings.window import Span, Window, window

TODAY = date(2026, 3, 30)
VIENNA = ZoneInfo("Europe/Vienna")


def _reading(metric: str, hours: float, *values: int, mark: str | None = None, valid: bool = True) -> Measured:
    at = datetime(2026, 3, 30, tzinfo=UTC) - timedelta(hours=hours)
    text = "/".join(map(str, values))
    return Measured(METRICS[metric], at, None, tuple(map(Decimal, values)), text, mark, "Device/w", valid=valid)


@pytest.mark.parametrize(
    ("span", "end", "first", "later"),
    [
        ("", "", date(2026, 3, 24), None),
        ("day", "2026-03-28", date(2026, 3, 28), date(2026, 3, 29)),
        ("week", "2026-03-28", date(2026, 3, 22), TODAY),
        ("month", "2027-01-01", date(2026, 3, 1), None),
    ],
)
def test_windows(span: str, end: str, first: date, later: date | None) -> None:
    """A window ends today at the latest, and the next one does too."""
    made = window(span, end, TODAY, VIENNA)
    assert (made.first, made.later) == (first, later)
    assert made.earlier == first - timedelta(days=1)
    assert made.begin == datetime(first.year, first.month, first.day, tzinfo=VIENNA)


@pytest.mark.parametrize(("span", "end"), [("year", ""), ("day", "2026-02-30"), ("day", "1000-01-01")])
def test_windows_that_there_are_not(span: str, end: str) -> None:
    """Other spans, and days that are none, are refused."""
    with pytest.raises(HealixError):
        window(span, end, TODAY, VIENNA)


def test_readings_as_rows_and_plots() -> None:
    """Each metric has its newest reading, its rows and a plot; what cannot be right is in the table alone."""
    readings = [_reading("heart-rate", n, 60 + n) for n in range(24, 0, -1)]
    wrong = _reading("heart-rate", 0.5, 900, mark="HX", valid=False)
    strip = _reading("ecg", 3)
    made = shown(Gathered({"heart-rate": [*readings, wrong], "ecg": [strip]}, {}), Window(Span.DAY, TODAY, TODAY, UTC))
    rate, ecg = made
    assert (rate.last.text, rate.last.mark, rate.count) == ("900", "HX", 25)
    assert not any(mark.role == "plot-marked" for mark in rate.marks)
    assert (len(ecg.marks), ecg.count) == (0, 1)


def test_days_as_rows_and_plots() -> None:
    """Days of a sum are bars, others a line within its range; numbers are as people read them."""
    days = [TODAY - timedelta(days=n) for n in range(29, -1, -1)]
    heart = [
        Day(
            COURSES["heart-rate"],
            day,
            dict(zip(("average", "minimum", "maximum"), (Decimal("70.04"), Decimal(60), Decimal(80)), strict=True)),
        )
        for day in days
    ]
    steps = [Day(COURSES["steps"], day, {"sum": Decimal(10970)}) for day in days]
    made = shown(Gathered({}, {"heart-rate": heart, "steps": steps}), Window(Span.MONTH, TODAY, TODAY, VIENNA))
    assert [one.last.text for one in made] == ["70 /min", "10970 steps"]
    assert [one.summed for one in made] == [False, True]
    assert sum(mark.role == "plot-bar" for mark in made[1].marks) == 30
    assert sum(mark.role == "plot-spread" for mark in made[0].marks) == 1


def test_tables_are_bounded() -> None:
    """A table has the newest rows only, and says how many there are."""
    readings = [_reading("heart-rate", n / 10, 60) for n in range(3000, 0, -1)]
    (made,) = shown(Gathered({"heart-rate": readings}, {}), Window(Span.WEEK, TODAY, TODAY, UTC))
    assert (len(made.rows), made.count) == (ROWS, 3000)
