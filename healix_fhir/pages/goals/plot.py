"""The days of a target as a plot, with what is wanted as its band; the table beside it says the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta, tzinfo

from healix_fhir.care.plot.chart import chart
from healix_fhir.care.plot.series import Band, Kind, Plot, Series, Value
from healix_fhir.operation.goal.progress import Point, Progress
from healix_fhir.pages.readings.plots import ROOM
from healix_fhir.pages.readings.svg import Mark, marks, tick

DAYS = 180
"""Days of a plot, the newest."""
FEWEST = 2
DAY, NOON = timedelta(days=1), timedelta(hours=12)


def plotted(one: Progress) -> Sequence[Point]:
    """The days that are shown; none where there is no course to see."""
    newest = one.series[-1].day if one.series else None
    days = [point for point in one.series if newest is not None and point.day > newest - timedelta(days=DAYS)]
    return days if len(days) >= FEWEST else ()


def drawn(one: Progress, zone: tzinfo) -> Sequence[Mark]:
    """The plot of a target: bars where what is measured adds up, else a line."""
    days = plotted(one)
    if not days:
        return ()
    values = tuple(_value(point, zone, summed=one.target.summed) for point in days)
    series = Series("days", values, Kind.BARS if one.target.summed else Kind.LINE)
    low, high = (None if limit is None else float(limit) for limit in (one.bounds.low, one.bounds.high))
    begin, end = _begin(days[0], zone), _begin(days[-1], zone) + DAY
    return marks(chart(Plot((series,), begin, end, zone, (Band(low, high),), whole=True), ROOM, tick(zone)))


def _value(point: Point, zone: tzinfo, *, summed: bool) -> Value:
    begin = _begin(point, zone)
    if summed:
        return Value(begin, float(point.value), until=begin + DAY)
    return Value(begin + NOON, float(point.value))


def _begin(point: Point, zone: tzinfo) -> datetime:
    return datetime.combine(point.day, time(), zone)
