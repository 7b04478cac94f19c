"""Daily summaries: what the readings of one patient and one local day come to, for each metric.

A day is that of a time zone, from midnight to midnight; with a change of the clocks it has 23 or 25 hours. A night's
sleep is one of the day on which it ends: what begins at `EVENING` or later counts for the next. Readings that cannot be
right are left out, as everything is that is not final.

Steps and sleep are added up. Devices that a patient wears at once count the same steps, so that the largest of their
sums is the day's, and not the sum of all.

Spec: FHIR R4, hl7.org/fhir/R4/observation.html, hl7.org/fhir/R4/valueset-observation-statistics.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from types import MappingProxyType

import msgspec

from healix_fhir.operation.figures import Measurement, figure, short
from healix_fhir.operation.measurement.measured import Json, Measured
from healix_fhir.operation.measurement.metrics import METRICS, UCUM, Metric, Range, Unit

SYSTEM = "urn:healix:daily-summary"
"""The code system of summaries: a code for each series."""
SUMMARY = "daily-summary"
"""The category of all of them."""
STATISTICS = "http://terminology.hl7.org/CodeSystem/observation-statistics"
WORDS = {"count": "Count", "minimum": "Minimum", "maximum": "Maximum", "average": "Average", "sum": "Sum"}
EVENING = time(18)
SLEEP = "sleep"
MILLISECOND = timedelta(milliseconds=1)


class Course(msgspec.Struct, frozen=True):
    """A series of single values that readings of a metric make: a blood pressure makes two. `part` is its number."""

    name: str
    display: str
    metric: Metric
    part: int
    usual: Range

    @property
    def unit(self) -> Unit:
        """The unit of its values."""
        return self.metric.units[0]


def _courses(metric: Metric) -> Iterator[Course]:
    if metric.sampled:
        return
    if not metric.parts:
        yield Course(metric.name, metric.loinc[1], metric, 0, metric.usual)
    for number, part in enumerate(metric.parts):
        yield Course(part.loinc[1].lower().replace(" ", "-"), part.loinc[1], metric, number, part.usual)


COURSES: Mapping[str, Course] = MappingProxyType(
    {course.name: course for metric in METRICS.values() for course in _courses(metric)}
)
"""Every series by its name, which is its code in summaries."""


class Day(msgspec.Struct, frozen=True):
    """What the readings of a day come to, each statistic by its code."""

    course: Course
    day: date
    figures: Mapping[str, Decimal]

    @property
    def whole(self) -> bool:
        """Whether it has all that a summary of its series has."""
        return {"minimum", "maximum", "sum" if self.course.metric.lasting else "average"} <= self.figures.keys()


def day_of(reading: Measured, zone: tzinfo) -> date:
    """The local day for which a reading counts."""
    return day_at(reading.metric, reading.at, zone)


def day_at(metric: Metric, at: datetime, zone: tzinfo) -> date:
    """The local day for which a reading of that time counts."""
    local = at.astimezone(zone)
    late = metric.name == SLEEP and local.time() >= EVENING
    return local.date() + timedelta(days=late)


def begins(day: date, zone: tzinfo) -> datetime:
    """The first instant of a local day."""
    return datetime.combine(day, time(), zone)


def reach(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """Within what times the readings of a day begin."""
    return datetime.combine(day - timedelta(days=1), EVENING, zone), begins(day + timedelta(days=1), zone)


def days(readings: Iterable[Measured], day: date, zone: tzinfo) -> list[Day]:
    """The summaries of a day; of series without a reading there are none."""
    series: dict[str, list[Measured]] = defaultdict(list)
    for reading in readings:
        if reading.valid and day_of(reading, zone) == day:
            series[reading.metric.name].append(reading)
    return [
        Day(course, day, _figures(course, series[course.metric.name]))
        for course in COURSES.values()
        if course.metric.name in series
    ]


def _figures(course: Course, readings: Sequence[Measured]) -> dict[str, Decimal]:
    series = [Measurement(reading.values[course.part]) for reading in readings]
    found = {code: figure(code, series) for code in ("count", "minimum", "maximum", "average")}
    if course.metric.lasting:
        found["sum"] = _added(course, readings)
    return {code: value for code, value in found.items() if value is not None}


def _added(course: Course, readings: Sequence[Measured]) -> Decimal:
    """The largest of the sums that devices come to; of one period sent twice the larger value counts."""
    devices: dict[str, dict[datetime, Decimal]] = defaultdict(dict)
    for reading in readings:
        each, value = devices[reading.device], reading.values[course.part]
        each[reading.at] = max(value, each.get(reading.at, value))
    return short(max(sum(each.values(), Decimal(0)) for each in devices.values()))


def summary(made: Day, patient: str, zone: tzinfo) -> Json:
    """The Observation of a summary; without id."""
    course = made.course
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": SYSTEM, "code": SUMMARY, "display": "Daily summary"}]}],
        "code": {
            "coding": [{"system": SYSTEM, "code": course.name, "display": f"{course.display}, of a day"}],
            "text": f"{course.display}, of a day",
        },
        "subject": {"reference": f"Patient/{patient}"},
        "effectivePeriod": {
            "start": _local(begins(made.day, zone)),
            "end": _local((begins(made.day + timedelta(days=1), zone).astimezone(UTC) - MILLISECOND).astimezone(zone)),
        },
        "method": {"text": f"of all final readings of {made.day.isoformat()} in the time zone {zone}"},
        "component": [_figure(code, value, course.unit) for code, value in made.figures.items()],
    }


def _local(moment: datetime) -> str:
    """A moment as it is written in its zone: the day that is meant can be read off it."""
    return moment.isoformat(timespec="milliseconds")


def _figure(code: str, value: Decimal, unit: Unit) -> Json:
    counted = code == "count"
    return {
        "code": {"coding": [{"system": STATISTICS, "code": code, "display": WORDS[code]}]},
        "valueQuantity": {
            "value": value,
            "unit": "readings" if counted else unit.shown,
            "system": UCUM,
            "code": "{readings}" if counted else unit.code,
        },
    }


class _Coding(msgspec.Struct, frozen=True):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct, frozen=True):
    coding: tuple[_Coding, ...] = ()


class _Quantity(msgspec.Struct, frozen=True):
    value: Decimal = Decimal(0)


class _Component(msgspec.Struct, frozen=True):
    code: _Concept
    quantity: _Quantity = msgspec.field(default=_Quantity(), name="valueQuantity")


class _Period(msgspec.Struct, frozen=True):
    start: str = ""


class _Summary(msgspec.Struct, frozen=True):
    """What of an Observation is a summary's; read as such, as `$trends` reads hundreds at once."""

    code: _Concept
    period: _Period = msgspec.field(default=_Period(), name="effectivePeriod")
    component: tuple[_Component, ...] = ()


_summary = msgspec.json.Decoder(_Summary)


def read(body: bytes) -> Day | None:
    """The summary that the JSON of an Observation is; None for any other, and for what others have made of one."""
    found = _summary.decode(body)
    code = next((one.code for one in found.code.coding if one.system == SYSTEM), "")
    course = COURSES.get(code)
    if course is None or len(found.period.start) < len("2026-01-31"):
        return None
    figures = {
        one.code.coding[0].code: one.quantity.value
        for one in found.component
        if one.code.coding and one.code.coding[0].system == STATISTICS
    }
    made = Day(course, date.fromisoformat(found.period.start[:10]), figures)
    return made if made.whole else None
