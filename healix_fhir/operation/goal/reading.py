"""What Observations say of a target: a number of its unit for each, and the day on which it counts for the patient.

A reading that lasted counts on the day on which it ended, as a night's sleep does on the morning after; one that ended
at midnight belongs to the day that was over. Which day an instant is on is told by the patient's time zone. Only what
is `final`, `amended` or `corrected` counts.

Spec: FHIR R4, hl7.org/fhir/R4/observation.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import MAXYEAR, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.operation.goal.target import EARLIEST, Coding, Target
from healix_fhir.search.dates import interval

Json = dict[str, Any]
COUNTING = ("final", "amended", "corrected")
"""The status of Observations that count: what is preliminary may be a fault of the device."""
TICK = timedelta(microseconds=1)
DAY = len("2026-01-31")


class Reading(msgspec.Struct, frozen=True, order=True):
    """A value at an instant; `observation` is the logical id of what says so, `device` the reference of what measured
    it, if that is known.
    """

    at: datetime
    day: date
    value: Decimal
    observation: str
    device: str = ""


def readings(target: Target, observations: Iterable[Json], zone: tzinfo) -> list[Reading]:
    """What counts for a target, the oldest first."""
    found = []
    for one in observations:
        when = _when(one, zone)
        if when is None or one.get("status") not in COUNTING:
            continue
        value = next((value for value in _values(target, one) if value is not None), None)
        if value is not None:
            found.append(Reading(*when, value, one["id"], one.get("device", {}).get("reference", "")))
    return sorted(found)


def _values(target: Target, observation: Json) -> Iterator[Decimal | None]:
    for part in (observation, *observation.get("component", ())):
        if "modifierExtension" not in part and _is_of(part.get("code", {}), target.codes):
            if "valueQuantity" in part:
                yield target.scale.value(part["valueQuantity"])
            elif "valueInteger" in part:
                yield target.scale.value({"value": part["valueInteger"]})


def _is_of(concept: Json, codes: Sequence[Coding]) -> bool:
    own = {(one.get("system", ""), one.get("code", "")) for one in concept.get("coding", ())}
    return not own.isdisjoint(codes)


def _when(observation: Json, zone: tzinfo) -> tuple[datetime, date] | None:
    """The instant, and the day for the patient; None without one. A day that is told as such is that day."""
    period = observation.get("effectivePeriod", {})
    ended = period.get("end")
    told = (ended, period.get("start"), observation.get("effectiveDateTime"), observation.get("effectiveInstant"))
    text = next((str(one) for one in told if one), "")
    covered = interval(text)
    if covered is None or covered[0] is None:
        return None
    at = covered[0]
    if at.date() < EARLIEST or at.year == MAXYEAR:  # at the edge of the calendar not every zone has a day
        return None
    return at, at.date() if len(text) <= DAY else (at - TICK if ended else at).astimezone(zone).date()
