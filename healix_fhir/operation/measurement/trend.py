"""Trends: how a series of daily summaries changed over the last weeks, as numbers.

A day counts by what it comes to: the sum of what is added up, else the average. The days of a window are compared with
as many before them; the slope is that of the line that fits best, per day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import msgspec

from healix_fhir.operation.figures import Measurement, figure, regression, short
from healix_fhir.operation.measurement.daily import Day

WINDOWS = (7, 30, 90)
"""Days of each window, the last one included."""


class Trend(msgspec.Struct, frozen=True):
    """What the `days` up to one day came to: `counted` are those with readings, `before` is the average of as many days
    before, `change` the difference; all None where there is nothing to compute them from.
    """

    days: int
    counted: int
    average: Decimal | None
    before: Decimal | None
    change: Decimal | None
    slope: Decimal | None


def value_of(day: Day) -> Decimal:
    """What a day comes to."""
    return day.figures["sum" if day.course.metric.lasting else "average"]


def trends(series: Sequence[Day], last: date) -> list[Trend]:
    """The trend within each window that ends with the day `last`."""
    return [_trend(series, last, days) for days in WINDOWS]


def _trend(series: Sequence[Day], last: date, days: int) -> Trend:
    now, before = _window(series, last, days), _window(series, last - timedelta(days=days), days)
    average, earlier = figure("average", now), figure("average", before)
    line = regression(now)
    change = short(average - earlier) if average is not None and earlier is not None else None
    return Trend(days, len(now), average, earlier, change, None if line is None else line[0])


def _window(series: Sequence[Day], last: date, days: int) -> list[Measurement]:
    first = last - timedelta(days=days - 1)
    return [
        Measurement(value_of(one), datetime.combine(one.day, time(), UTC)) for one in series if first <= one.day <= last
    ]
