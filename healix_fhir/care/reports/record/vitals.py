"""Measurements as series in time: one measure in one unit each, blood pressure as its two components.

Spec: FHIR R4, hl7.org/fhir/R4/observation-vitalsigns.html
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.care.reports.told import code, concept
from healix_fhir.care.reports.written import unit

Json = dict[str, Any]
Key = tuple[str, str]
"""The code of a measure and its unit."""
MOST_MEASURES = 24
"""Measures that a document shows; those with the most values."""


class Reading(msgspec.Struct, frozen=True):
    """One value at a time."""

    at: datetime
    value: Decimal


class Usual(msgspec.Struct, frozen=True):
    """A reference range: Quantities, of which one may be missing."""

    low: Json | None = None
    high: Json | None = None

    def holds(self, value: Decimal) -> bool:
        """Whether a value is in it."""
        low, high = ((one or {}).get("value") for one in (self.low, self.high))
        return (low is None or value >= low) and (high is None or value <= high)


class Part(msgspec.Struct, frozen=True):
    """One series of a measure, oldest first, with the newest reference range that came with it."""

    code: str
    name: str
    readings: tuple[Reading, ...]
    usual: Usual | None = None

    @property
    def outside(self) -> int:
        """How many values are outside of the reference range."""
        return 0 if self.usual is None else sum(not self.usual.holds(one.value) for one in self.readings)


class Measure(msgspec.Struct, frozen=True):
    """What was measured, in one unit; several parts where a reading has components."""

    code: str
    name: str
    unit: str
    parts: tuple[Part, ...]

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(len(part.readings) for part in self.parts)


def measures(observations: Iterable[Json]) -> list[Measure]:
    """The measures of Observations, those with the most values first."""
    found: dict[Key, dict[str, list[tuple[Reading, Json]]]] = {}
    names: dict[str, str] = {}
    for observation in observations:
        at = _moment(observation)
        if at is None:
            continue
        measure = code(observation.get("code"))
        names.setdefault(measure, concept(observation.get("code")))
        for part, quantity, holder in _values(observation):
            names.setdefault(part, concept(holder.get("code")))
            value = quantity["value"]
            if math.isfinite(float(value)):
                parts = found.setdefault((measure, unit(quantity)), {})
                parts.setdefault(part, []).append((Reading(at, Decimal(value)), holder))
    made = [
        Measure(
            measure, names[measure], its_unit, tuple(_part(each, names[each], seen) for each, seen in parts.items())
        )
        for (measure, its_unit), parts in found.items()
    ]
    return sorted(made, key=lambda one: -one.count)[:MOST_MEASURES]


def _values(observation: Json) -> Iterator[tuple[str, Json, Json]]:
    """The codes and Quantities of an Observation and its components, each with the element that holds it."""
    for holder in (observation, *observation.get("component", ())):
        quantity = holder.get("valueQuantity")
        if quantity is not None and "value" in quantity:
            yield code(holder.get("code")), quantity, holder


def _part(part: str, name: str, seen: Sequence[tuple[Reading, Json]]) -> Part:
    ordered = sorted(seen, key=lambda pair: pair[0].at)
    ranges = (holder["referenceRange"][0] for _, holder in reversed(ordered) if holder.get("referenceRange"))
    newest = next((one for one in ranges if "low" in one or "high" in one), None)
    usual = None if newest is None else Usual(newest.get("low"), newest.get("high"))
    return Part(part, name, tuple(reading for reading, _ in ordered), usual)


def _moment(observation: Json) -> datetime | None:
    """When it was measured; days and months without a time stand at their begin."""
    text = observation.get("effectiveDateTime") or observation.get("effectivePeriod", {}).get("start")
    text = text or observation.get("effectiveInstant")
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(f"{text}-01-01"[:10] if len(text) < 10 else text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
