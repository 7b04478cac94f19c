"""The axis of time: ticks at round hours, days, weeks, months and years of a time zone.

Steps are those of the calendar: a day with a change of the clocks has 23 or 25 hours and its ticks still stand at
midnight. What is written at a tick is the caller's, who knows the language; `english` is one way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import Enum

import msgspec


class Span(Enum):
    """What lies between two ticks, in the calendar's words."""

    HOUR = timedelta(hours=1)
    DAY = timedelta(days=1)
    MONTH = timedelta(days=31)
    YEAR = timedelta(days=366)


class Every(msgspec.Struct, frozen=True):
    """A distance of ticks: `count` times a `span`."""

    count: int
    span: Span

    @property
    def length(self) -> timedelta:
        """How long it is at most."""
        return self.count * self.span.value


EVERY = (
    *(Every(count, Span.HOUR) for count in (1, 3, 6, 12)),
    *(Every(count, Span.DAY) for count in (1, 2, 7, 14)),
    *(Every(count, Span.MONTH) for count in (1, 2, 3, 6)),
    *(Every(count, Span.YEAR) for count in (1, 2, 5, 10, 20, 50)),
)
"""Distances of ticks, the smallest first."""
MONDAY = date(2024, 1, 1)
"""Weeks are counted from a Monday (ISO 8601)."""


class Tick(msgspec.Struct, frozen=True):
    """A moment of the axis in its zone, and the distance of its neighbours, which says how exactly it is written."""

    at: datetime
    every: Every


Say = Callable[[Tick], str]
"""What is written at a tick."""


def ticks(begin: datetime, end: datetime, zone: tzinfo, most: int = 7) -> list[Tick]:
    """Ticks from `begin` to `end`: as many as there is room for, on round moments of `zone`."""
    every = next((one for one in EVERY if (end - begin) / one.length <= most), EVERY[-1])
    # compared in UTC: Python compares two times of one zone by their clocks, which go back once a year
    return [Tick(at, every) for at in _moments(begin, end, zone, every) if begin <= at.astimezone(UTC) <= end]


def _moments(begin: datetime, end: datetime, zone: tzinfo, every: Every) -> Iterator[datetime]:
    """Round moments around `begin` and up to `end`."""
    first, last = begin.astimezone(zone).date() - timedelta(days=1), end.astimezone(zone).date()
    if every.span in (Span.HOUR, Span.DAY):
        days = 1 if every.span is Span.HOUR else every.count
        day = first - timedelta(days=(first - MONDAY).days % days)
        while day <= last:
            for hour in range(0, 24, every.count if every.span is Span.HOUR else 24):
                yield datetime.combine(day, time(hour), zone)
            day += timedelta(days=days)
        return
    months = every.count * (1 if every.span is Span.MONTH else 12)
    number = (first.year * 12 + first.month - 1) // months * months
    while number <= last.year * 12 + last.month - 1:
        yield datetime(number // 12, number % 12 + 1, 1, tzinfo=zone)
        number += months


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def english(tick: Tick) -> str:
    """A tick in English: as exactly as its neighbours need it, with the year where it begins."""
    at, month = tick.at, MONTHS[tick.at.month - 1]
    if tick.every.span is Span.HOUR and at.hour:
        return f"{at.hour:02}:{at.minute:02}"
    if tick.every.span in (Span.HOUR, Span.DAY):
        return f"{at.day} {month}"
    return (
        f"{month} {at.year}"
        if tick.every.span is Span.MONTH and at.month == 1
        else (month if tick.every.span is Span.MONTH else str(at.year))
    )
