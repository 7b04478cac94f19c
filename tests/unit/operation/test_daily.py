"""What the readings of a day come to, and how days change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import encode
from healix_fhir.model.validate import validate
from healix_fhir.operation.measurement.daily import COURSES, Day, day_of, days, reach, read, summary
from healix_fhir.operation.measurement.measured import Measured
from healix_fhir.operation.measurement.metrics import METRICS
from healix_fhir.operation.measurement.trend import Trend, trends
from healix_fhir.operation.trends import asked_day

VIENNA = ZoneInfo("Europe/Vienna")
DAY = date(2026, 3, 29)
"""A day of 23 hours in Vienna."""


def _reading(metric: str, at: str, *values: str, device: str = "w", valid: bool = True) -> Measured:
    moment = datetime.fromisoformat(at).astimezone(UTC)
    return Measured(
        METRICS[metric], moment, None, tuple(map(Decimal, values)), "", None, f"Device/{device}", valid=valid
    )


@pytest.mark.parametrize(
    ("metric", "at", "day"),
    [
        ("heart-rate", "2026-03-28T22:59:59Z", 28),
        ("heart-rate", "2026-03-28T23:00:00Z", 29),
        ("heart-rate", "2026-03-29T21:59:59Z", 29),
        ("heart-rate", "2026-03-29T22:00:00Z", 30),
        ("sleep", "2026-03-28T22:30:00Z", 29),
        ("sleep", "2026-03-28T16:59:00Z", 28),
        ("sleep", "2026-03-29T12:00:00Z", 29),
    ],
)
def test_days_are_local(metric: str, at: str, day: int) -> None:
    """A reading counts for the day of its zone, a night for that on which it ends; its day reaches over it."""
    reading = _reading(metric, at, "7")
    assert day_of(reading, VIENNA) == date(2026, 3, day)
    low, high = reach(date(2026, 3, day), VIENNA)
    assert low.astimezone(UTC) <= reading.at < high.astimezone(UTC)


def _figures(*readings: Measured) -> dict[str, dict[str, str]]:
    made = days(readings, DAY, VIENNA)
    return {day.course.name: {code: str(value) for code, value in day.figures.items()} for day in made}


def test_figures_of_a_day() -> None:
    """Least, greatest, mean and number of what is final; a blood pressure makes two series."""
    found = _figures(
        _reading("heart-rate", "2026-03-29T08:00Z", "60"),
        _reading("heart-rate", "2026-03-29T09:00Z", "75"),
        _reading("heart-rate", "2026-03-29T10:00Z", "900", valid=False),
        _reading("heart-rate", "2026-03-30T08:00Z", "99"),
        _reading("blood-pressure", "2026-03-29T08:00Z", "120", "80"),
    )
    assert found["heart-rate"] == {"count": "2", "minimum": "60", "maximum": "75", "average": "67.5"}
    assert found["systolic-blood-pressure"]["average"] == "120"
    assert found["diastolic-blood-pressure"]["average"] == "80"
    assert len(found) == 3


def test_steps_are_added_up_once() -> None:
    """Of devices worn at once the largest sum counts, and of a period sent twice the larger value."""
    found = _figures(
        _reading("steps", "2026-03-29T08:00Z", "100"),
        _reading("steps", "2026-03-29T09:00Z", "200"),
        _reading("steps", "2026-03-29T09:00Z", "210"),
        _reading("steps", "2026-03-29T08:30Z", "290", device="phone"),
    )
    assert found["steps"]["sum"] == "310"


@pytest.mark.spec("FHIR R4 observation.html")
def test_a_summary_is_a_valid_observation() -> None:
    """A summary is an Observation about the local day, names its zone, and is read again as what it was."""
    (made,) = days([_reading("steps", "2026-03-29T08:00Z", "100")], DAY, VIENNA)
    resource = summary(made, "ada", VIENNA)
    assert validate(resource, "Observation") == ()
    assert resource["effectivePeriod"] == {
        "start": "2026-03-29T00:00:00.000+01:00",
        "end": "2026-03-29T23:59:59.999+02:00",
    }
    assert "Europe/Vienna" in resource["method"]["text"]
    assert read(encode(resource)) == made
    assert read(b'{"code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}}') is None


@pytest.mark.parametrize(("start", "component"), [("2026-03-29", []), ("2026", None)])
def test_what_others_have_made_of_a_summary_is_none(start: str, component: list[str] | None) -> None:
    """An Observation with the code of a summary, but without its day or its figures, is left out."""
    (made,) = days([_reading("steps", "2026-03-29T08:00Z", "100")], DAY, VIENNA)
    resource = summary(made, "ada", VIENNA) | {"effectivePeriod": {"start": start}}
    if component is not None:
        resource["component"] = component
    assert read(encode(resource)) is None


@pytest.mark.parametrize("text", ["0001-01-01", "0001-06-01", "2026-02-30"])
def test_trends_end_on_a_day_with_days_before_it(text: str) -> None:
    """A last day that the calendar has not, or none that far before, is refused by name."""
    with pytest.raises(HealixError) as refusal:
        asked_day(text)
    assert refusal.value.issues[0].expression == ("end",)


def test_trends_compare_windows() -> None:
    """A window's average is set against as many days before; the slope is per day; without days there is none."""
    course = COURSES["weight"]
    series = [Day(course, DAY - timedelta(days=n), {"average": Decimal(80 - n)}) for n in range(14)]
    week, month, _ = trends(series, DAY)
    assert week == Trend(7, 7, Decimal(77), Decimal(70), Decimal(7), Decimal(1))
    assert (month.counted, month.before, month.change) == (14, None, None)
    empty = trends([], DAY)[0]
    assert (empty.counted, empty.average, empty.slope) == (0, None, None)
