"""The strip of samples that an Observation holds, as an ECG: its voltages in mV, and the time between two.

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#SampledData
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from healix_fhir.operation.measurement.measured import WITHDRAWN, metric_of
from healix_fhir.operation.measurement.metrics import UCUM

Json = dict[str, Any]
LONGEST = 60.0
"""Seconds of a strip that are read; what comes after is cut."""
MOST = 60_000
"""Samples that are read: a minute of 1000 a second."""
LIMITS = ("L", "U")
"""What stands for a value below or above what the device can tell. `E` stands for none."""


class Strip(msgspec.Struct, frozen=True):
    """Samples of one lead in mV, None where there is none; `period` is the seconds between two. `cut`: there were more
    than are read.
    """

    samples: Sequence[float | None]
    period: float
    cut: bool = False

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.samples) * self.period

    @property
    def lowest(self) -> float:
        """The lowest sample."""
        return min(one for one in self.samples if one is not None)

    @property
    def highest(self) -> float:
        """The highest sample."""
        return max(one for one in self.samples if one is not None)


def strip_of(observation: Json) -> Strip | None:
    """The strip of an Observation of one lead in a unit of voltage; None for what is none, or was entered in error."""
    metric = metric_of(observation)
    data = observation.get("valueSampledData")
    if metric is None or not metric.sampled or data is None or observation.get("status") in WITHDRAWN:
        return None
    origin = data.get("origin", {})
    unit = metric.unit(origin.get("code", "?")) if origin.get("system") == UCUM else None
    period = float(data.get("period", 0)) / 1000
    if unit is None or data.get("dimensions") != 1 or not 0 < period <= LONGEST:
        return None
    limits = {name: data[element] for name, element in zip(LIMITS, ("lowerLimit", "upperLimit"), strict=True)
              if element in data}  # fmt: skip
    most = min(MOST, math.floor(LONGEST / period))
    words = str(data.get("data", "")).split(None, most)
    base, factor = float(origin.get("value", 0)), float(data.get("factor", 1))
    samples = [*_samples(words[:most], {name: float(one) for name, one in limits.items()})]
    scale = float(unit.factor)
    volts = [None if one is None else (base + one * factor) * scale for one in samples]
    volts = [one if one is not None and math.isfinite(one) else None for one in volts]
    return Strip(volts, period, cut=len(words) > most) if any(one is not None for one in volts) else None


def _samples(words: Sequence[str], limits: dict[str, float]) -> Iterator[float | None]:
    for word in words:
        try:
            yield limits.get(word) if word in ("E", *LIMITS) else float(word)
        except ValueError:
            yield None
