"""Phases of sleep put together to nights: a reading of sleep is about all of one, not about a phase of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

GAP = timedelta(hours=1)
"""Who is awake for longer sleeps a second time."""
MINUTE = timedelta(minutes=1)
Fields = dict[str, Any]


class Nights:
    """Takes phases in order of time, and gives a reading for each night that is over; one for each source."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[datetime, datetime, timedelta, int]] = {}

    def phase(self, source: str, begin: datetime, end: datetime, number: int) -> Iterator[tuple[int, Fields]]:
        """Take a phase that was slept; time that two phases share counts once."""
        first, last, slept, line = self._open.get(source, (begin, begin, timedelta(), number))
        if begin - last > GAP or begin < first:
            yield line, _reading(source, first, last, slept)
            first, last, slept, line = begin, begin, timedelta(), number
        slept += max(timedelta(), end - max(begin, last))
        self._open[source] = first, max(last, end), slept, line

    def rest(self) -> Iterator[tuple[int, Fields]]:
        """The nights that no phase followed."""
        for source, (first, last, slept, line) in self._open.items():
            yield line, _reading(source, first, last, slept)
        self._open.clear()


def _reading(source: str, begin: datetime, end: datetime, slept: timedelta) -> Fields:
    return {
        "device": source,
        "metric": "sleep",
        "time": begin.isoformat(),
        "end": end.isoformat(),
        "value": Decimal(slept // MINUTE),
        "unit": "min",
    }
