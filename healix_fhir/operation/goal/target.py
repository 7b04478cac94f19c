"""The targets of a Goal, as far as they can be measured: what is measured, between which limits, until when.

* `detailQuantity` with a comparator is a limit, included or not. Without one it is what is to be reached, from wherever
  the baseline is: from above it is the most that may be, from below the least.
* `detailRange` is met between its ends, both included; one end may be missing.
* `detailInteger` is a number to be reached.
* `dueDate` counts with the whole of what it names: a month is over with its last day. `dueDuration` counts from
  `startDate`; where the Goal has none, nothing is ever due.

What is told in words or codes is for people to judge.

Spec: FHIR R4, hl7.org/fhir/R4/goal-definitions.html#Goal.target
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from healix_fhir.model.ucum.canonical import UCUM
from healix_fhir.operation.goal.scale import Scale, converted, number_of, scale_of
from healix_fhir.operation.measurement.metrics import LOINC, METRICS

Json = dict[str, Any]
Coding = tuple[str, str]
SUMMED: frozenset[Coding] = frozenset((LOINC, metric.loinc[0]) for metric in METRICS.values() if metric.lasting)
"""What adds up over a day, as steps and hours of sleep do; of everything else the last of a day is the day's value."""
EARLIEST = date(1850, 1, 1)
"""Nobody who lives was measured before."""
DAYS = "d"
MONTHS: Mapping[str, int] = MappingProxyType({"mo": 1, "a": 12})
"""UCUM's units of time that are counted by the calendar."""
WHOLE_GROUP = "the goal is not one of a patient"
NO_MEASURE = "the target does not say what is measured"
NO_NUMBER = "the target is not a number, or one that measures nobody"
TOO_MANY = "the goal has too many targets, or the target too many codes"
TARGETS, CODES = 20, 20
"""Targets of a Goal, and codes of a target, that are measured."""


class Bounds(msgspec.Struct, frozen=True):
    """Between what a value is to be; `aim` is to be reached from either side, and takes the place of limits."""

    low: Decimal | None = None
    high: Decimal | None = None
    low_included: bool = True
    high_included: bool = True
    aim: Decimal | None = None

    def hold(self, value: Decimal) -> bool:
        """Whether a value is between the limits."""
        if self.low is not None and (value < self.low or (value == self.low and not self.low_included)):
            return False
        return self.high is None or value < self.high or (value == self.high and self.high_included)

    def distance(self, value: Decimal) -> Decimal:
        """How far a value is outside of the limits."""
        if self.low is not None and value < self.low:
            return self.low - value
        return value - self.high if self.high is not None and value > self.high else Decimal(0)

    def seen_from(self, baseline: Decimal | None) -> Bounds:
        """The limits for somebody who begins at `baseline`: who is told of none is taken to begin below."""
        if self.aim is None:
            return self
        if baseline is None or baseline < self.aim:
            return Bounds(low=self.aim)
        return Bounds(high=self.aim) if baseline > self.aim else Bounds(self.aim, self.aim)


class Target(msgspec.Struct, frozen=True):
    """A target that can be measured. `due` is the last day that counts."""

    measure: Json
    codes: tuple[Coding, ...]
    bounds: Bounds
    scale: Scale
    due: date | None = None

    @property
    def summed(self) -> bool:
        """Whether what is measured adds up over a day."""
        return not SUMMED.isdisjoint(self.codes)


class Unmeasured(msgspec.Struct, frozen=True):
    """A target that nobody can measure, and why."""

    measure: Json
    why: str


class Plan(msgspec.Struct, frozen=True):
    """What of a Goal is measured: whose it is (a logical id), from which day on, and its targets in their order."""

    patient: str | None
    start: date | None
    targets: tuple[Target | Unmeasured, ...]

    @property
    def measured(self) -> list[Target]:
        """The targets that can be measured."""
        return [one for one in self.targets if isinstance(one, Target)]


def plan(goal: Json) -> Plan:
    """Read a valid Goal."""
    kind, _, patient = goal.get("subject", {}).get("reference", "").rpartition("/")
    whose = patient if kind.rpartition("/")[2] == "Patient" and patient else None
    start = max(last_day(goal["startDate"], first=True), EARLIEST) if "startDate" in goal else None
    why = WHOLE_GROUP if whose is None else TOO_MANY if len(goal.get("target", ())) > TARGETS else None
    return Plan(
        whose,
        start,
        tuple(
            _target(one, start) if why is None else Unmeasured(one.get("measure", {}), why)
            for one in goal.get("target", ())
        ),
    )


def _target(target: Json, start: date | None) -> Target | Unmeasured:
    measure = target.get("measure", {})
    codes = tuple((one.get("system", ""), one["code"]) for one in measure.get("coding", ()) if one.get("code"))
    if not codes:
        return Unmeasured(measure, NO_MEASURE)
    if len(codes) > CODES:
        return Unmeasured(measure, TOO_MANY)
    found = _bounds(target)
    if found is None:
        return Unmeasured(measure, NO_NUMBER)
    return Target(measure, codes, *found, _due(target, start))


def _bounds(target: Json) -> tuple[Bounds, Scale] | None:
    if "detailQuantity" in target:
        return _of_quantity(target["detailQuantity"])
    if "detailRange" in target:
        return _of_range(target["detailRange"])
    if "detailInteger" in target:
        return Bounds(aim=Decimal(target["detailInteger"])), Scale()
    return None


def _of_quantity(quantity: Json) -> tuple[Bounds, Scale] | None:
    value, comparator = number_of(quantity), quantity.get("comparator", "")
    if value is None:
        return None
    if not comparator:
        return Bounds(aim=value), scale_of(quantity)
    included = comparator.endswith("=")
    if comparator.startswith(">"):
        return Bounds(low=value, low_included=included), scale_of(quantity)
    return Bounds(high=value, high_included=included), scale_of(quantity)


def _of_range(found: Json) -> tuple[Bounds, Scale] | None:
    ends = [one for one in (found.get("low"), found.get("high")) if one is not None and "value" in one]
    if not ends:
        return None
    scale = scale_of(ends[0])
    low, high = (scale.value(found[end]) if "value" in found.get(end, {}) else None for end in ("low", "high"))
    if sum(limit is not None for limit in (low, high)) < len(ends):
        return None  # the ends are told in units that cannot be compared
    return Bounds(low, high), scale


def _due(target: Json, start: date | None) -> date | None:
    if "dueDate" in target:
        return last_day(target["dueDate"])
    duration = target.get("dueDuration", {})
    number = number_of(duration)
    if number is None or start is None or duration.get("system") != UCUM:
        return None
    return _after(start, number, duration.get("code"))


def _after(start: date, number: Decimal, unit: str | None) -> date | None:
    """The day that is a duration after `start`; None where it is none, or beyond the calendar."""
    if unit is None:
        return None
    try:
        if unit in MONTHS and number == number.to_integral_value():
            return _months_after(start, int(number) * MONTHS[unit])
        days = converted(number, unit, DAYS)
        return None if days is None else start + timedelta(days=int(days))
    except (OverflowError, ValueError):
        return None


def _months_after(start: date, months: int) -> date:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


def last_day(text: str, *, first: bool = False) -> date:
    """The last day (or the `first`) of what a FHIR date names: a day, a month or a year."""
    year, month, day = (*(int(part) for part in text.split("-")), 0, 0)[:3]
    month = month or (1 if first else 12)
    return date(year, month, day or (1 if first else calendar.monthrange(year, month)[1]))
