"""Observations read as readings again, whoever wrote them: the metric, its values in its first unit, and when.

An Observation is a reading by its LOINC code and the UCUM unit of its value. What is none of the metrics, has no value
or another unit, or was entered in error, is none.

Spec: FHIR R4, hl7.org/fhir/R4/observation.html, hl7.org/fhir/R4/observation-vitalsigns.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import MAXYEAR, MINYEAR, datetime
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.operation.measurement.metrics import LOINC, METRICS, UCUM, Metric, Range
from healix_fhir.search.dates import interval

Json = dict[str, Any]
VALID = frozenset({"final", "amended", "corrected"})
"""The status of readings that count; what cannot be right is kept as `preliminary`."""
WITHDRAWN = frozenset({"entered-in-error", "cancelled"})

BY_CODE: Mapping[str, Metric] = {
    loinc[0]: metric
    for metric in METRICS.values()
    for loinc in (metric.loinc, *(unit.loinc for unit in metric.units if unit.loinc is not None))
}
"""Metrics by their LOINC codes."""


class Measured(msgspec.Struct, frozen=True):
    """A reading that is stored. `values` are in the metric's first unit, one for each part; a strip has none here.

    `text` is the value as it was sent, with its unit. `mark` is how it was marked: H, L, HX or LX. `device` is the
    reference to what measured it.
    """

    metric: Metric
    at: datetime
    end: datetime | None
    values: tuple[Decimal, ...]
    text: str
    mark: str | None
    device: str
    valid: bool


def metric_of(observation: Json) -> Metric | None:
    """The metric that an Observation is about."""
    codings = observation.get("code", {}).get("coding", ())
    return next(
        (BY_CODE[one["code"]] for one in codings if one.get("system") == LOINC and one["code"] in BY_CODE), None
    )


def measured(observation: Json) -> Measured | None:
    """The reading that an Observation is, or None."""
    metric = metric_of(observation)
    when = _when(observation)
    status = observation.get("status")
    if metric is None or when is None or status in WITHDRAWN:
        return None
    found = [*_values(metric, observation)]
    if not metric.sampled and len(found) != max(1, len(metric.parts)):
        return None
    values = tuple(value for value, _, _ in found)
    text = f"{'/'.join(shown for _, shown, _ in found)} {found[0][2]}" if found else ""
    device = observation.get("device", {}).get("reference", "")
    return Measured(metric, *when, values, text, _mark(observation), device, valid=status in VALID)


def _values(metric: Metric, observation: Json) -> Iterator[tuple[Decimal, str, str]]:
    """Each value in the metric's first unit, as it was sent, and in what unit."""
    if not metric.parts:
        yield from _value(metric, observation)
        return
    for part in metric.parts:
        for component in observation.get("component", ()):
            codings = component.get("code", {}).get("coding", ())
            if any(one.get("system") == LOINC and one.get("code") == part.loinc[0] for one in codings):
                yield from _value(metric, component)
                break


def _value(metric: Metric, holder: Json) -> Iterator[tuple[Decimal, str, str]]:
    quantity = holder.get("valueQuantity", {})
    unit = metric.unit(quantity.get("code", "?")) if quantity.get("system") == UCUM else None
    if unit is None or "value" not in quantity or "comparator" in quantity or "modifierExtension" in holder:
        return
    value = Decimal(quantity["value"])
    yield value * unit.factor + unit.offset, str(value), unit.shown


def _when(observation: Json) -> tuple[datetime, datetime | None] | None:
    """When an Observation begins and ends."""
    period = observation.get("effectivePeriod", {})
    moment = observation.get("effectiveDateTime") or observation.get("effectiveInstant")
    begin, end = _first(moment or period.get("start", "")), _first(period.get("end", ""))
    return None if begin is None else (begin, end)


def _first(text: str) -> datetime | None:
    """The first instant of what a date covers; None at the edges of the calendar, where not every zone has a day."""
    covered = interval(text)
    found = covered[0] if covered is not None else None
    return found if found is not None and MINYEAR < found.year < MAXYEAR else None


def _mark(observation: Json) -> str | None:
    """How a reading, or one of its parts, is marked."""
    holders = (observation, *observation.get("component", ()))
    codes = [
        coding.get("code")
        for holder in holders
        for concept in holder.get("interpretation", ())
        for coding in concept.get("coding", ())
    ]
    return next((mark for mark in ("HX", "LX", "H", "L") if mark in codes), None)


def usual(metric: Metric) -> tuple[Range, ...]:
    """The ranges that are usual, one for each part, in the metric's first unit."""
    return tuple(part.usual for part in metric.parts) or (metric.usual,)
