"""Lays a plot out: lines, areas, dots and words with their coordinates, which a page or a printed report draws.

The origin is the upper left corner, y grows downwards; who draws the other way up takes `height - y`. What a shape is
(its `Role`) decides colour and width, which are the drawer's. Shapes come in the order in which they are drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

import msgspec

from healix_fhir.care.plot import times, values
from healix_fhir.care.plot.series import Kind, Plot, Series, Value, runs, thinned
from healix_fhir.care.plot.values import Scale


class Role(Enum):
    """What a shape is."""

    USUAL = "usual"
    GRID = "grid"
    AXIS = "axis"
    TICK = "tick"
    SPREAD = "spread"
    BAR = "bar"
    LINE = "line"
    DOT = "dot"
    MARKED = "marked"
    SMALL = "small"
    LARGE = "large"
    TRACE = "trace"


class Side(Enum):
    """Where a word stands from its point, along the line of writing."""

    BEFORE = "before"
    AROUND = "around"
    BEHIND = "behind"


Place: TypeAlias = tuple[float, float]


class Stroke(msgspec.Struct, frozen=True):
    """A line through several places. `series` is the number of the series that it belongs to, from 0."""

    role: Role
    places: tuple[Place, ...]
    series: int = 0


class Area(msgspec.Struct, frozen=True):
    """A filled polygon."""

    role: Role
    places: tuple[Place, ...]
    series: int = 0


class Dot(msgspec.Struct, frozen=True):
    """A single value; its size is the drawer's."""

    role: Role
    at: Place
    series: int = 0


class Words(msgspec.Struct, frozen=True):
    """A text whose middle height is at `at`."""

    role: Role
    at: Place
    text: str
    side: Side


Shape: TypeAlias = Stroke | Area | Dot | Words


class Room(msgspec.Struct, frozen=True):
    """The room of a drawing, in the drawer's units; the margins are what the words at the axes need."""

    width: float
    height: float
    left: float = 44.0
    right: float = 14.0
    top: float = 10.0
    bottom: float = 26.0
    most_values: int = 5
    most_times: int = 7


class Chart(msgspec.Struct, frozen=True):
    """A plot that is laid out."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


FEW = 40
"""So many values of a line, and fewer, have a dot each."""
NEAR = 8.0
"""Between a word and the axis to which it belongs."""


class Axes(msgspec.Struct, frozen=True):
    """The two scales of a plot; times are seconds."""

    time: Scale
    value: Scale

    def place(self, value: Value) -> Place:
        """Where a value is shown."""
        return self.time.at(value.at.timestamp()), self.value.at(value.value)


def chart(plot: Plot, room: Room, say: times.Say = times.english) -> Chart:
    """The shapes of a plot. What is written at ticks of time is `say`'s; values beyond the times are left out."""
    shown = [
        Series(one.name, tuple(value for value in one.values if plot.begin <= value.at <= plot.end), one.kind)
        for one in plot.series
    ]
    axes = _axes(plot, shown, room)
    shapes = [
        *_usual(plot, axes),
        *_grid(axes, room),
        *(shape for number, one in enumerate(shown) for shape in _series(number, one, axes)),
        *_times(plot, axes, room, say),
    ]
    return Chart(room.width, room.height, tuple(shapes))


def number(value: Decimal) -> str:
    """A value at its tick: thousands apart, so that they are read at a glance."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "\N{MINUS SIGN}")


def _axes(plot: Plot, shown: Sequence[Series], room: Room) -> Axes:
    seen = [each for one in shown for value in one.values for each in (value.value, value.low, value.high)]
    bars = any(one.kind is Kind.BARS for one in shown)
    known = [each for each in seen if each is not None]
    low, high = values.extent([*known, *(_limits(plot) if plot.whole or not known else ())], from_zero=bars)
    time = Scale(plot.begin.timestamp(), plot.end.timestamp(), room.left, room.width - room.right)
    return Axes(time, Scale(low, high, room.height - room.bottom, room.top))


def _limits(plot: Plot) -> list[float]:
    """What an empty plot spans: the ranges that are usual."""
    return [limit for band in plot.bands for limit in (band.low, band.high) if limit is not None]


def _usual(plot: Plot, axes: Axes) -> Iterator[Shape]:
    value, left, right = axes.value, axes.time.start, axes.time.end
    for band in plot.bands:
        low = value.within(value.low if band.low is None else band.low)
        high = value.within(value.high if band.high is None else band.high)
        if low != high:
            yield Area(Role.USUAL, ((left, low), (right, low), (right, high), (left, high)))


def _grid(axes: Axes, room: Room) -> Iterator[Shape]:
    for tick in values.ticks(axes.value.low, axes.value.high, room.most_values):
        y = axes.value.at(float(tick))
        yield Stroke(Role.GRID, ((axes.time.start, y), (axes.time.end, y)))
        yield Words(Role.TICK, (axes.time.start - NEAR, y), number(tick), Side.BEFORE)


def _times(plot: Plot, axes: Axes, room: Room, say: times.Say) -> Iterator[Shape]:
    bottom = axes.value.start
    yield Stroke(Role.AXIS, ((axes.time.start, bottom), (axes.time.end, bottom)))
    for tick in times.ticks(plot.begin, plot.end, plot.zone, room.most_times):
        x = axes.time.at(tick.at.timestamp())
        yield Stroke(Role.AXIS, ((x, bottom), (x, bottom + NEAR / 2)))
        yield Words(Role.TICK, (x, bottom + 2 * NEAR), say(tick), Side.AROUND)


def _series(number: int, series: Series, axes: Axes) -> Iterable[Shape]:
    return _bars(number, series, axes) if series.kind is Kind.BARS else _line(number, series, axes)


def _bars(number: int, series: Series, axes: Axes) -> Iterator[Shape]:
    ground = axes.value.within(0.0)
    for value in series.values:
        x, y = axes.place(value)
        end = x if value.until is None else axes.time.within(value.until.timestamp())
        gap = min(1.0, (end - x) / 5)  # bars that touch look like one
        left, right = x + gap, max(end - gap, x + gap + 1.0)
        role = Role.MARKED if value.marked else Role.BAR
        yield Area(role, ((left, ground), (right, ground), (right, y), (left, y)), number)


def _line(number: int, series: Series, axes: Axes) -> Iterator[Shape]:
    """A line with breaks where nothing was measured, over the spread of what its values stand for; dots where they are
    few, and on each that is marked.
    """
    few = len(series.values) <= FEW
    for run in runs(series.values):
        seen = thinned(run, lambda value: axes.place(value)[0])
        if len(run) > 1 and all(value.low is not None and value.high is not None for value in run):
            yield Area(Role.SPREAD, (*_edge(run, axes, high=True), *reversed(_edge(run, axes, high=False))), number)
        if len(seen) > 1:
            yield Stroke(Role.LINE, tuple(axes.place(value) for value in seen), number)
        for value in seen:
            if value.marked or few or len(run) == 1:
                yield Dot(Role.MARKED if value.marked else Role.DOT, axes.place(value), number)


def _edge(run: Sequence[Value], axes: Axes, *, high: bool) -> list[Place]:
    """The upper or lower edge of the spread."""
    ends = [(value, value.high if high else value.low) for value in run]
    return [(axes.place(value)[0], axes.value.at(end)) for value, end in ends if end is not None]
