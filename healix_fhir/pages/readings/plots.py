"""Readings and days as plots, and as the rows of the table that says the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from healix_fhir.care.plot.chart import Room, chart
from healix_fhir.care.plot.paper import paper
from healix_fhir.care.plot.series import Band, Kind, Plot, Series, Value
from healix_fhir.operation.measurement.daily import COURSES, Day, begins
from healix_fhir.operation.measurement.measured import Measured, usual
from healix_fhir.operation.measurement.metrics import METRICS, Metric, Range
from healix_fhir.operation.measurement.strip import Strip
from healix_fhir.operation.measurement.trend import value_of
from healix_fhir.pages.readings.gathered import Gathered
from healix_fhir.pages.readings.svg import Mark, marks, tick
from healix_fhir.pages.readings.window import Window

ROOM = Room(400.0, 200.0, left=48.0, right=22.0, most_values=4, most_times=4)
MILLIMETRE = 3.0
"""Units of a drawing that are a millimetre of paper: small enough for a phone, and the words are read."""
ROWS = 200
"""Rows of a table; the newest."""


class Row(msgspec.Struct, frozen=True):
    """A row of a table: when, what, and how it is marked. A day has no time of day."""

    at: datetime
    text: str
    mark: str | None = None


class Drawn(msgspec.Struct, frozen=True):
    """A strip of samples on its paper: its elements, its room, and what its text says of it."""

    at: datetime
    marks: Sequence[Mark]
    width: float
    height: float
    seconds: str
    rate: str
    lowest: str
    highest: str
    cut: bool


class Shown(msgspec.Struct, frozen=True):
    """A metric on the page. `marks` are its plot's, none where there is nothing to plot; `rows` the newest first.
    `summed`: a day is the sum of its readings.
    """

    name: str
    unit: str
    last: Row
    usual: Sequence[Range]
    marks: Sequence[Mark]
    rows: Sequence[Row]
    count: int
    summed: bool
    strips: Sequence[Drawn] = ()


def shown(gathered: Gathered, window: Window) -> list[Shown]:
    """Every metric that there is something of."""
    if gathered.days:
        return [_of_days(metric, gathered, window) for metric in METRICS.values() if _series(metric, gathered)]
    return [
        msgspec.structs.replace(one, strips=drawn) if readings[0].metric.sampled else one
        for drawn in [[_drawn(at.astimezone(window.zone), strip) for at, strip in gathered.strips]]
        for readings in gathered.readings.values()
        for one in [_of_readings(readings, window)]
    ]


def _drawn(at: datetime, strip: Strip) -> Drawn:
    made = paper(strip.samples, strip.period, MILLIMETRE)
    return Drawn(
        at,
        marks(made),
        made.width,
        made.height,
        seconds=f"{strip.seconds:.3g}",
        rate=f"{1 / strip.period:.4g}",
        lowest=f"{strip.lowest:.2f}",
        highest=f"{strip.highest:.2f}",
        cut=strip.cut,
    )


def _of_readings(readings: Sequence[Measured], window: Window) -> Shown:
    metric = readings[0].metric
    rows = [Row(one.at.astimezone(window.zone), one.text, one.mark) for one in reversed(readings)]
    kind = Kind.BARS if metric.lasting else Kind.LINE
    series = [
        Series(name, tuple(_value(one, number) for one in readings if one.valid or metric.lasting), kind)
        for number, name in enumerate(_names(metric))
        if not metric.sampled
    ]
    return _shown(metric, series, rows, window)


def _value(reading: Measured, number: int) -> Value:
    return Value(reading.at, float(reading.values[number]), until=reading.end, marked=reading.mark is not None)


def _of_days(metric: Metric, gathered: Gathered, window: Window) -> Shown:
    found = _series(metric, gathered)
    kind = Kind.BARS if metric.lasting else Kind.LINE
    series = [Series(days[0].course.name, tuple(_day(one, window) for one in days), kind) for days in found]
    texts = zip(*([_text(one) for one in days] for days in found), strict=False)
    dates = [begins(one.day, window.zone) for one in found[0]]
    unit = metric.units[0].shown
    rows = [Row(at, f"{'/'.join(text)} {unit}") for at, text in zip(dates, texts, strict=False)]
    return _shown(metric, series, rows[::-1], window)


def _text(day: Day) -> str:
    """What a day comes to, to a tenth."""
    return f"{round(value_of(day), 1):f}".removesuffix(".0")


def _day(day: Day, window: Window) -> Value:
    """A day as a bar of its length, or as a value at noon with what it spans."""
    begin, value = begins(day.day, window.zone), float(value_of(day))
    if day.course.metric.lasting:
        return Value(begin, value, until=begins(day.day + timedelta(days=1), window.zone))
    low, high = (float(day.figures[code]) for code in ("minimum", "maximum"))
    return Value(begin + timedelta(hours=12), value, low, high)


def _shown(metric: Metric, series: Sequence[Series], rows: Sequence[Row], window: Window) -> Shown:
    bands = tuple(_bands(usual(metric)))
    drawn: Sequence[Mark] = ()
    if any(one.values for one in series):
        drawn = marks(chart(Plot(tuple(series), window.begin, window.end, window.zone, bands), ROOM, tick(window.zone)))
    return Shown(
        metric.name, metric.units[0].shown, rows[0], usual(metric), drawn, rows[:ROWS], len(rows), metric.lasting
    )


def _bands(ranges: Iterable[Range]) -> Iterator[Band]:
    for one in ranges:
        if one.low is not None or one.high is not None:
            yield Band(None if one.low is None else float(one.low), None if one.high is None else float(one.high))


def _names(metric: Metric) -> list[str]:
    return [name for name, course in COURSES.items() if course.metric is metric]


def _series(metric: Metric, gathered: Gathered) -> list[Sequence[Day]]:
    return [gathered.days[name] for name in _names(metric) if name in gathered.days]
