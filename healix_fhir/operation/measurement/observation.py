"""One reading as an Observation: a vital sign by R4's profiles where there is one, else in the same form.

A value outside of the usual is marked high or low. One that cannot be is kept as it came, marked as beyond the
threshold of what is taken for a measurement (HX, LX), and stays preliminary: whoever reads final values is not misled.

Spec: FHIR R4, hl7.org/fhir/R4/observation-vitalsigns.html, hl7.org/fhir/R4/valueset-observation-interpretation.html
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any

from healix_fhir.kernel.clock import instant
from healix_fhir.operation.measurement.metrics import LOINC, UCUM, VITAL_SIGNS, Metric, Range, Unit
from healix_fhir.operation.measurement.reading import Reading

Json = dict[str, Any]
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
WORDS = {"H": "High", "L": "Low", "HX": "above high threshold", "LX": "below low threshold"}


def observation(reading: Reading, patient: str, device: str) -> Json:
    """The Observation of a reading by `Device/{device}` of `Patient/{patient}`; without id."""
    metric = reading.metric
    marks = marks_of(reading)
    made: Json = {
        "resourceType": "Observation",
        "status": "preliminary" if is_doubtful(marks) else "final",
        "category": [{"coding": [{"system": CATEGORY, "code": metric.category}]}],
        "code": _code(reading.unit.loinc or metric.loinc),
        "subject": {"reference": f"Patient/{patient}"},
    }
    if metric.profile is not None and reading.end is None:  # R4's vs-1 fails for every period
        made["meta"] = {"profile": [VITAL_SIGNS + metric.profile]}
    if reading.end is None:
        made["effectiveDateTime"] = instant(reading.time)
    else:
        made["effectivePeriod"] = {"start": instant(reading.time), "end": instant(reading.end)}
    made["device"] = {"reference": f"Device/{device}"}
    if metric.sampled:
        return made | _marked(_worst(marks)) | {"valueSampledData": _samples(reading)}
    if metric.parts:
        return made | {
            "component": [
                {"code": _code(part.loinc), "valueQuantity": _quantity(value, reading.unit)} | _marked(mark)
                for part, value, mark in zip(metric.parts, reading.values, marks, strict=True)
            ]
        }
    made |= _marked(marks[0])
    made["valueQuantity"] = _quantity(reading.values[0], reading.unit)
    usual = _usual(metric)
    return made | ({"referenceRange": [usual]} if usual is not None else {})


def marks_of(reading: Reading) -> list[str | None]:
    """How each value is marked: `H`, `L`, `HX`, `LX`, or None for a usual one."""
    metric, unit = reading.metric, reading.unit
    ranges = [(part.usual, part.possible) for part in metric.parts] or [(metric.usual, metric.possible)]
    if metric.sampled:
        ranges *= len(reading.values)
    return [
        _mark(value * unit.factor + unit.offset, usual, possible)
        for value, (usual, possible) in zip(reading.values, ranges, strict=True)
    ]


def is_doubtful(marks: Iterable[str | None]) -> bool:
    """Whether a value cannot be."""
    return any(mark in ("HX", "LX") for mark in marks)


def _mark(value: Decimal, usual: Range, possible: Range) -> str | None:
    for limits, above, below in ((possible, "HX", "LX"), (usual, "H", "L")):
        if limits.high is not None and value > limits.high:
            return above
        if limits.low is not None and value < limits.low:
            return below
    return None


def _worst(marks: list[str | None]) -> str | None:
    return next((mark for mark in ("HX", "LX", "H", "L") if mark in marks), None)


@cache
def _code(loinc: tuple[str, str]) -> Json:
    code, display = loinc
    return {"coding": [{"system": LOINC, "code": code, "display": display}], "text": display}


def _marked(mark: str | None) -> Json:
    return {"interpretation": [_interpretation(mark)]} if mark is not None else {}


@cache
def _interpretation(mark: str) -> Json:
    return {"coding": [{"system": INTERPRETATION, "code": mark, "display": WORDS[mark]}]}


def _quantity(value: Decimal, unit: Unit) -> Json:
    return {"value": value, "unit": unit.shown, "system": UCUM, "code": unit.code}


@cache
def _usual(metric: Metric) -> Json | None:
    """The range that readings of the metric are compared with, in its first unit."""
    limits = {
        name: _quantity(limit, metric.units[0])
        for name, limit in (("low", metric.usual.low), ("high", metric.usual.high))
        if limit is not None
    }
    return limits | {"text": "usual of adults at rest"} if limits else None


def _samples(reading: Reading) -> Json:
    return {
        "origin": _quantity(Decimal(0), reading.unit),
        "period": reading.period,
        "dimensions": 1,
        "data": " ".join(str(value) for value in reading.values),
    }
