"""Timings of rules: how often one is looked at, and the hours in which people are told.

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#Timing
"""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

from healix_fhir.care.alerts.hours import Hours
from healix_fhir.care.alerts.span import UNITS, length
from healix_fhir.care.alerts.wanted import only
from healix_fhir.kernel.errors import invalid

Json = dict[str, Any]


def period_of(timing: Json, at: str) -> timedelta:
    """How often: once in `repeat.period` of `repeat.periodUnit`. Raises Invalid for any other timing."""
    only(timing, frozenset({"id", "extension", "repeat"}), at)
    repeat = timing.get("repeat", {})
    only(repeat, frozenset({"id", "extension", "frequency", "period", "periodUnit"}), f"{at}.repeat")
    unit = UNITS.get(repeat.get("periodUnit", ""))
    if unit is None or "period" not in repeat:
        raise invalid(f"{at}.repeat must have period and periodUnit, one of {', '.join(UNITS)}")
    return length(repeat["period"] / repeat.get("frequency", 1), unit, at)


def hours_of(timing: Json, at: str) -> Hours:
    """The part of each day in which people are told: from `repeat.timeOfDay` for `repeat.duration`."""
    only(timing, frozenset({"id", "extension", "repeat"}), at)
    repeat = timing.get("repeat", {})
    only(repeat, frozenset({"id", "extension", "timeOfDay", "duration", "durationUnit"}), f"{at}.repeat")
    unit = UNITS.get(repeat.get("durationUnit", ""))
    begins = [_time(one) for one in repeat.get("timeOfDay", ())]
    if len(begins) != 1 or begins[0] is None or unit is None or "duration" not in repeat:
        raise invalid(f"{at}.repeat must have one timeOfDay, duration and durationUnit")
    long = length(repeat["duration"], unit, f"{at}.repeat.duration")
    if long >= timedelta(days=1):
        raise invalid(f"{at}.repeat.duration must be less than a day")
    return Hours(begins[0], long)


def _time(text: str | None) -> time | None:
    """A FHIR time; None for one that clocks do not show, as a leap second, or that is told by an extension alone."""
    try:
        return time.fromisoformat(text or "")
    except ValueError:
        return None
