"""The axis of values."""

from __future__ import annotations

from decimal import Decimal

import pytest

from healix_fhir.care.plot.values import Scale, extent, step, ticks


@pytest.mark.parametrize(
    ("span", "most", "distance"),
    [(10, 5, "2"), (11, 5, "2.5"), (60, 6, "10"), (61, 6, "20"), (0.7, 7, "0.1"), (0.9, 4, "0.25"), (9000, 4, "2500")],
)
def test_ticks_stand_at_a_round_distance(span: float, most: int, distance: str) -> None:
    """Ticks are 1, 2, 2.5 or 5 times a power of ten apart, and no more than there is room for."""
    assert step(span, most) == Decimal(distance)


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (57, 101, ["60", "70", "80", "90", "100"]),
        (36.1, 37.9, ["36.5", "37.0", "37.5"]),
        (-3, 3, ["-2", "0", "2"]),
        (0, 12000, ["0", "2500", "5000", "7500", "10000"]),
        (0.1, 0.2, ["0.10", "0.12", "0.14", "0.16", "0.18", "0.20"]),
    ],
)
def test_ticks_are_written_with_the_digits_that_they_need(low: float, high: float, shown: list[str]) -> None:
    """All ticks of an axis have as many digits after the point as their distance."""
    most = 5 if "0.20" not in shown else 6
    assert [str(tick) for tick in ticks(low, high, most)] == shown


@pytest.mark.parametrize(
    ("values", "from_zero", "ends"),
    [
        ([60, 80], False, (59, 81)),
        ([0, 100], True, (0, 105)),
        ([50, 100], True, (0, 105)),
        ([-10, 10], True, (-11, 11)),
        ([70], False, (63, 77)),
        ([0], False, (-1, 1)),
        ([0, 0], True, (0, 1)),
        ([], False, (-0.05, 1.05)),
    ],
)
def test_an_axis_leaves_room_around_its_values(values: list[float], from_zero: bool, ends: tuple[float, float]) -> None:
    """An axis spans its values with room, from zero where bars are compared, and never nothing."""
    assert extent(values, from_zero=from_zero) == pytest.approx(ends)


def test_a_scale_may_run_upwards() -> None:
    """A scale leads from values to places, also against the direction of the drawing, and holds what is beyond."""
    scale = Scale(0, 10, 200, 100)
    assert (scale.at(0), scale.at(5), scale.at(10), scale.at(20)) == (200, 150, 100, 0)
    assert (scale.within(20), scale.within(-1)) == (100, 200)
