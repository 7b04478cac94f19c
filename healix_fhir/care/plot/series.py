"""What a plot shows: series of values in time, the ranges that are usual, and from when to when.

Values are plain numbers in the one unit of the plot; who calls has converted them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from itertools import pairwise

import msgspec

GAP = 4
"""So many times the usual distance of two values lie between them where nothing was measured."""
LEAST_GAP = timedelta(hours=1)


class Kind(Enum):
    """How a series is shown."""

    LINE = "line"
    BARS = "bars"


class Value(msgspec.Struct, frozen=True):
    """A value at a time. `low` and `high` are what it stands for, where it is the mean of several.

    A bar covers the time from `at` to `until`. `marked`: it is outside of what is usual.
    """

    at: datetime
    value: float
    low: float | None = None
    high: float | None = None
    until: datetime | None = None
    marked: bool = False


class Series(msgspec.Struct, frozen=True):
    """Values of one kind, in order of time."""

    name: str
    values: tuple[Value, ...]
    kind: Kind = Kind.LINE


class Band(msgspec.Struct, frozen=True):
    """A range that is usual; None: without an end on that side."""

    low: float | None = None
    high: float | None = None


class Plot(msgspec.Struct, frozen=True):
    """A plot from `begin` to `end`, whose times are read in `zone`. `whole`: the ends of its ranges are in sight
    however far the values are from them.
    """

    series: tuple[Series, ...]
    begin: datetime
    end: datetime
    zone: tzinfo
    bands: tuple[Band, ...] = ()
    whole: bool = False


def runs(values: Sequence[Value]) -> Iterator[tuple[Value, ...]]:
    """The values that a line joins: it is broken where nothing was measured for long."""
    distances = [later.at - earlier.at for earlier, later in pairwise(values)]
    usual = sorted(distances)[len(distances) // 2] if distances else LEAST_GAP
    longest = max(LEAST_GAP, GAP * usual)
    start = 0
    for number, distance in enumerate(distances, 1):
        if distance > longest:
            yield tuple(values[start:number])
            start = number
    if values:
        yield tuple(values[start:])


def thinned(values: Sequence[Value], place: Callable[[Value], float]) -> tuple[Value, ...]:
    """Of values that fall on one place (`place`, in whole steps) the first, the lowest, the highest and the last: what
    is seen stays the same, however many there are.
    """
    kept: list[Value] = []
    start = 0
    for number in range(1, len(values) + 1):
        if number == len(values) or int(place(values[number])) != int(place(values[start])):
            group = range(start, number)
            extremes = (min(group, key=lambda n: values[n].value), max(group, key=lambda n: values[n].value))
            kept += [values[n] for n in sorted({start, *extremes, number - 1})]
            start = number
    return tuple(kept)
