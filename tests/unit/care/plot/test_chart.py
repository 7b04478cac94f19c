"""The shapes of a plot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from healix_fhir.care.plot.chart import Area, Dot, Role, Room, Stroke, Words, chart, number
from healix_fhir.care.plot.series import Band, Kind, Plot, Series, Value
from healix_fhir.care.plot.values import ticks

START = datetime(2026, 3, 2, tzinfo=UTC)
WEEK = timedelta(days=7)
ROOM = Room(600, 200)


def _plot(*values: Value, kind: Kind = Kind.LINE, bands: tuple[Band, ...] = ()) -> Plot:
    return Plot((Series("a", values, kind),), START, START + WEEK, UTC, bands)


def _day(number: float, value: float, **further: object) -> Value:
    return Value(START + timedelta(days=number), value, **further)  # type: ignore[arg-type]


def test_all_shapes_lie_within_the_drawing() -> None:
    """Everything that is drawn lies within the room, whatever the values, the usual range and the spread."""
    values = [_day(n / 2, 40 + n * 11 % 7, low=30 + n, high=60 + n) for n in range(15)]
    made = chart(_plot(*values, bands=(Band(-1000, 45), Band(58, 1000))), ROOM)
    places = [
        place for shape in made.shapes for place in (shape.places if isinstance(shape, Stroke | Area) else (shape.at,))
    ]
    assert all(0 <= x <= ROOM.width and 0 <= y <= ROOM.height for x, y in places)
    assert sum(shape.role is Role.USUAL for shape in made.shapes) == 2
    assert sum(shape.role is Role.SPREAD for shape in made.shapes) == 1


def test_a_line_goes_from_value_to_value() -> None:
    """A line joins its values in order, each at its time and height, with a dot; marked ones have their own."""
    made = chart(_plot(_day(0, 10), _day(3.5, 20, marked=True), _day(7, 10)), ROOM)
    (line,) = [shape for shape in made.shapes if isinstance(shape, Stroke) and shape.role is Role.LINE]
    assert [x for x, _ in line.places] == [44, 315, 586]
    first, middle, last = (y for _, y in line.places)
    assert first == last > middle
    assert [shape.role for shape in made.shapes if isinstance(shape, Dot)] == [Role.DOT, Role.MARKED, Role.DOT]


def test_of_many_values_only_marked_ones_have_dots() -> None:
    """A line of many values has no dots but on what is marked, and no more places than can be told apart."""
    values = [_day(n / 1440, 60 + n % 13, marked=n == 5000) for n in range(7 * 1440)]
    made = chart(_plot(*values), ROOM)
    assert [shape.role for shape in made.shapes if isinstance(shape, Dot)] in ([], [Role.MARKED])
    assert all(len(shape.places) <= 4 * ROOM.width for shape in made.shapes if isinstance(shape, Stroke))


def test_bars_stand_on_zero() -> None:
    """A bar reaches from zero to its value and covers the time that it is about."""
    made = chart(_plot(_day(0, 5000, until=START + WEEK / 7), kind=Kind.BARS), ROOM)
    (bar,) = [shape for shape in made.shapes if isinstance(shape, Area)]
    assert bar.role is Role.BAR
    assert {y for _, y in bar.places} == {174, bar.places[2][1]}
    assert min(x for x, _ in bar.places) > 44
    assert max(x for x, _ in bar.places) < 44 + 542 / 7


def test_what_is_beyond_the_times_is_left_out() -> None:
    """Values before and after the times of the plot are not shown; an empty plot shows what is usual."""
    made = chart(_plot(_day(-1, 1), _day(8, 1000), bands=(Band(60, 100),)), ROOM)
    assert not [shape for shape in made.shapes if isinstance(shape, Dot)]
    written = [shape.text for shape in made.shapes if isinstance(shape, Words)]
    assert {"60", "70", "80", "90", "100"} <= set(written)


def test_numbers_at_ticks_are_read_at_a_glance() -> None:
    """Thousands stand apart, and a negative number has a minus sign."""
    assert [number(tick) for tick in ticks(-5000, 10000, 3)] == [
        "\N{MINUS SIGN}5\u202f000",
        "0",
        "5\u202f000",
        "10\u202f000",
    ]
