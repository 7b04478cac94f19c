"""The axis of values: round numbers as ticks, and where a value lies between two ends.

A step is 1, 2, 2.5 or 5 times a power of ten, so that people can read between two ticks. Everything here is pure and
knows no drawing: pages and printed reports place their own marks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

import msgspec

STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
"""Distances of ticks that people read easily, in the power of ten below."""
MARGIN = 0.05
"""Room above and below the values, as a share of what they span."""
FLAT = 0.1
"""What values that are all the same are shown within, as a share of them."""


class Scale(msgspec.Struct, frozen=True):
    """A linear scale: `low` is shown at `start`, `high` at `end`; `start` may be the larger one (an axis upwards)."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where `value` is shown."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def within(self, value: float) -> float:
        """Where `value` is shown, or the nearer end of the scale for one beyond."""
        return self.at(min(max(value, self.low), self.high))


def step(span: float, most: int) -> Decimal:
    """The smallest round distance of ticks of which at most `most` fit into `span`; both above 0."""
    least = Decimal(repr(span / most))
    power = Decimal(1).scaleb(least.adjusted())
    return next(factor * power for factor in STEPS if factor * power >= least)


def ticks(low: float, high: float, most: int = 6) -> list[Decimal]:
    """The multiples of a round step from `low` to `high`, with as many digits after the point as they need."""
    distance = step(high - low, most)
    first, last = math.ceil(Decimal(repr(low)) / distance), math.floor(Decimal(repr(high)) / distance)
    places = min(0, int(distance.normalize().as_tuple().exponent))  # a number: no step is infinite
    return [(n * distance).quantize(Decimal(1).scaleb(places)) for n in range(first, last + 1)]


def extent(values: Sequence[float], *, from_zero: bool = False) -> tuple[float, float]:
    """The ends of a scale for `values`, with some room; `from_zero` for bars, whose length is compared.

    Values that are all the same, or none, still span something.
    """
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high == low:
        room = abs(high) * FLAT or 1.0
        return (low, high + room) if from_zero else (low - room, high + room)
    room = (high - low) * MARGIN
    return (low - room if low < 0 or not from_zero else low, high + room if high > 0 or not from_zero else high)
