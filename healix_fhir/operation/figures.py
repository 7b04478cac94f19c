"""The statistics of $stats over a series of measurements: R4's codes, each with what it is computed as.

Quantiles lie between neighbours where they must; deviation and variance are those of a sample; skew and kurtosis are
the moments about the mean, a normal distribution has 0 and 3. Where a series is too short for one, it has no value.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-observation-statistics.html
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Context, Decimal, localcontext
from types import MappingProxyType

import msgspec

PRECISION = 12
"""Digits of what is computed."""
DAY = timedelta(days=1)
WHOLE = Decimal(1)


class Measurement(msgspec.Struct, frozen=True):
    """A value, and when it was measured."""

    value: Decimal
    at: datetime | None = None


Series = Sequence[Measurement]
Figure = Callable[[list[Decimal]], Decimal | None]


def figure(code: str, series: Series) -> Decimal | None:
    """The statistic `code` of a series; None where it has none."""
    values = sorted(one.value for one in series)
    if not values:
        return Decimal(0) if code == "count" else None
    with localcontext(Context(prec=28)):
        found = FIGURES[code](values)
    return None if found is None else short(found)


def short(number: Decimal) -> Decimal:
    """A number as it is shown: no longer than it is exact, without an exponent."""
    rounded = Context(prec=PRECISION).plus(number).normalize()
    if rounded != rounded.to_integral_value():
        return rounded
    return rounded.quantize(WHOLE, context=Context(prec=max(1, rounded.adjusted() + 1)))


def quantile(values: list[Decimal], share: Decimal) -> Decimal:
    """What `share` of the sorted values lies below."""
    place = share * (len(values) - 1)
    below = int(place)
    if below + 1 >= len(values):
        return values[-1]
    return values[below] + (values[below + 1] - values[below]) * (place - below)


def regression(series: Series) -> tuple[Decimal, Decimal] | None:
    """Gradient per day and intercept at the first measurement of the line that fits best; None without two times."""
    timed = [(one.at, one.value) for one in series if one.at is not None]
    if len({at for at, _ in timed}) < 2:
        return None
    first = min(at for at, _ in timed)
    with localcontext(Context(prec=28)):
        points = [(Decimal((at - first) // timedelta(microseconds=1)) / MICROSECONDS, value) for at, value in timed]
        middle_x, middle_y = statistics.mean(x for x, _ in points), statistics.mean(y for _, y in points)
        together = sum(((x - middle_x) * (y - middle_y) for x, y in points), Decimal(0))
        slope = together / sum(((x - middle_x) ** 2 for x, _ in points), Decimal(0))
        return short(slope), short(middle_y - slope * middle_x)


MICROSECONDS = Decimal(DAY // timedelta(microseconds=1))


def _at(share: str) -> Figure:
    return lambda values: quantile(values, Decimal(share))


def _moment(values: list[Decimal], power: int) -> Decimal | None:
    """The standardized moment about the mean."""
    deviation = statistics.pvariance(values).sqrt()
    if not deviation:
        return None
    mean = statistics.mean(values)
    return sum(((value - mean) / deviation) ** power for value in values) / Decimal(len(values))


def _of_two(compute: Callable[[list[Decimal]], Decimal]) -> Figure:
    return lambda values: compute(values) if len(values) > 1 else None


FIGURES: Mapping[str, Figure] = MappingProxyType(
    {
        "average": statistics.mean,
        "maximum": max,
        "minimum": min,
        "count": lambda values: Decimal(len(values)),
        "median": statistics.median,
        "std-dev": _of_two(lambda values: statistics.variance(values).sqrt()),
        "sum": lambda values: sum(values, Decimal(0)),
        "variance": _of_two(statistics.variance),
        "20-percent": _at("0.2"),
        "80-percent": _at("0.8"),
        "4-lower": _at("0.25"),
        "4-upper": _at("0.75"),
        "4-dev": lambda values: (quantile(values, Decimal("0.75")) - quantile(values, Decimal("0.25"))) / 2,
        "5-1": _at("0.2"),
        "5-2": _at("0.4"),
        "5-3": _at("0.6"),
        "5-4": _at("0.8"),
        "skew": lambda values: _moment(values, 3),
        "kurtosis": lambda values: _moment(values, 4),
    }
)
"""All but `total-count`, which counts what has no value too, and `regression`, which is of two numbers."""
CODES = (*FIGURES, "total-count", "regression")
