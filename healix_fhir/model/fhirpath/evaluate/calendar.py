"""Date arithmetic: a moment and a calendar duration.

A duration that is finer than the moment's precision is converted to that precision first, its fraction dropped; only
seconds keep their fraction.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#datetime-arithmetic
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from decimal import Decimal

from healix_fhir.model.fhirpath.evaluate.moment import Moment

UNITS = ("year", "month", "day", "hour", "minute", "second")
"""The parts of a moment, which are the units of its arithmetic; a week is 7 days, a millisecond a part of a second."""

DEFINITE = {"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}
"""The UCUM units that a moment takes; `a` and `mo` are no calendar years and months."""

FINER = {"month": 12, "day": 30, "hour": 24, "minute": 60, "second": 60}
"""How many of a unit make one of the next coarser unit, where a duration is converted."""

DAYS_IN_YEAR = 365
SECONDS_IN_DAY = 24 * 60 * 60
SECONDS = {"day": SECONDS_IN_DAY, "hour": 3600, "minute": 60, "second": 1}
LARGEST = 10**15
"""More than there are milliseconds from year 1 to year 9999."""

LAST_DAY = date.max.toordinal()


def add(moment: Moment, amount: Decimal, unit: str) -> Moment | None:
    """`moment` and `amount` calendar units later (singular name), None beyond the years 1 to 9999.

    Raises ValueError for a unit that the moment does not take.
    """
    if abs(amount) > LARGEST:
        return None
    if unit == "week":
        amount, unit = amount * 7, "day"
    elif unit == "millisecond":
        amount, unit = amount / 1000, "second"
    if moment.kind == "Time":
        return _time(moment, amount, unit)
    amount, unit = _to_precision(amount, unit, UNITS[len(moment.parts) - 1])
    if unit in ("year", "month"):
        return _months(moment, int(amount) * (12 if unit == "year" else 1))
    return _seconds(moment, amount if unit == "second" else Decimal(int(amount) * SECONDS[unit]))


def _to_precision(amount: Decimal, unit: str, finest: str) -> tuple[Decimal, str]:
    """The duration in a unit that is no finer than `finest`."""
    place, limit = UNITS.index(unit), UNITS.index(finest)
    if place <= limit:
        return amount, unit
    while place > max(limit, UNITS.index("day")):
        amount, place = Decimal(int(amount / FINER[UNITS[place]])), place - 1
    if finest == "year" and UNITS[place] == "day":
        return Decimal(int(amount / DAYS_IN_YEAR)), "year"
    while place > limit:
        amount, place = Decimal(int(amount / FINER[UNITS[place]])), place - 1
    return amount, finest


def _months(moment: Moment, months: int) -> Moment | None:
    """Where the month is too short, its last day."""
    year, month, *rest = (*moment.parts, 1)[:2] if len(moment.parts) == 1 else moment.parts
    year, month = divmod(int(year) * 12 + int(month) - 1 + months, 12)
    if not 1 <= year <= 9999:
        return None
    if rest:
        rest[0] = min(int(rest[0]), monthrange(year, month + 1)[1])
    parts = (year, month + 1, *rest)
    return Moment(moment.kind, parts[: len(moment.parts)], moment.zone)


def _seconds(moment: Moment, seconds: Decimal) -> Moment | None:
    year, month, day, *clock = moment.parts
    total = date(int(year), int(month), int(day)).toordinal() * SECONDS_IN_DAY + _of_day(clock) + seconds
    days, rest = divmod(total, SECONDS_IN_DAY)
    if not 1 <= days <= LAST_DAY:
        return None
    found = date.fromordinal(int(days))
    parts = (found.year, found.month, found.day, *_clock(rest))
    return Moment(moment.kind, parts[: len(moment.parts)], moment.zone)


def _time(moment: Moment, amount: Decimal, unit: str) -> Moment:
    """A time goes round the clock."""
    if unit not in UNITS[3:]:
        raise ValueError(unit)
    amount, unit = _to_precision(amount, unit, UNITS[len(moment.parts) + 2])
    seconds = amount if unit == "second" else Decimal(int(amount) * SECONDS[unit])
    clock = _clock(((_of_day(list(moment.parts)) + seconds) % SECONDS_IN_DAY + SECONDS_IN_DAY) % SECONDS_IN_DAY)
    return Moment("Time", clock[: len(moment.parts)])


def _of_day(clock: list[int | Decimal]) -> Decimal:
    """The seconds since midnight."""
    return sum((Decimal(part) * weight for part, weight in zip(clock, (3600, 60, 1), strict=False)), Decimal(0))


def _clock(seconds: Decimal) -> tuple[int | Decimal, ...]:
    return int(seconds // 3600), int(seconds % 3600 // 60), seconds % 60
