"""Durations as lengths of time.

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#Duration
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.errors import invalid

UCUM = "http://unitsofmeasure.org"
UNITS: Mapping[str, timedelta] = MappingProxyType(
    {
        "s": timedelta(seconds=1),
        "min": timedelta(minutes=1),
        "h": timedelta(hours=1),
        "d": timedelta(days=1),
        "wk": timedelta(weeks=1),
    }
)
"""Units that have one length; months and years have several."""
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=366)


def duration(given: dict[str, Any], at: str) -> timedelta:
    """The length of a Duration. Raises Invalid for one that has none, or that no rule can have."""
    unit = UNITS.get(str(given.get("code", given.get("unit"))))
    if unit is None or given.get("system", UCUM) != UCUM or "comparator" in given or "value" not in given:
        raise invalid(f"{at} must be a Duration in {', '.join(UNITS)}")
    return length(given["value"], unit, at)


def length(value: Any, unit: timedelta, at: str) -> timedelta:
    """So many of a unit, within the limits of rules."""
    count = float(value)
    if not SHORTEST <= (found := unit * min(max(count, 0), LONGEST / unit + 1)) <= LONGEST:
        raise invalid(f"{at} must be from one minute to {LONGEST.days} days")
    return found
