"""What people choose from when they set a goal or a limit: measures with code and unit, and what can be at all.

Spec: LOINC 2.77; UCUM 2.1
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from healix_fhir.operation.figures import short
from healix_fhir.operation.measurement.metrics import LOINC, METRICS, Metric, Range, Unit

Coding = tuple[str, str]
NUMBER = re.compile(r"\d{1,7}([.,]\d{1,3})?", re.ASCII)


class Measure(msgspec.Struct, frozen=True):
    """A measure under the name that a form has for it; `title` is what people call it, `least` and `most` can be."""

    name: str
    title: str
    loinc: Coding
    unit: Unit
    least: Decimal
    most: Decimal

    def coded(self) -> dict[str, Any]:
        """The measure of a target."""
        code, display = self.loinc
        return {"coding": [{"system": LOINC, "code": code, "display": display}], "text": self.title}


TITLES: Mapping[str, str] = MappingProxyType(
    {
        "steps": "Steps a day",
        "weight": "Body weight",
        "sleep": "Hours of sleep a night",
        "heart-rate": "Heart rate",
        "oxygen-saturation": "Oxygen saturation",
        "bmi": "Body mass index",
        "glucose": "Blood glucose",
    }
)
PRESSURES = ("Upper blood pressure (systolic)", "Lower blood pressure (diastolic)")
HBA1C = Measure(
    "hba1c",
    "Long-term blood glucose (HbA1c)",
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"),
    Unit("%", "%"),
    Decimal(3),
    Decimal(20),
)


def _measures() -> Iterator[Measure]:
    for name, title in TITLES.items():
        metric = METRICS[name]
        units = metric.units if name == "glucose" else metric.units[:1]
        for unit in units:
            shown = f"{title} ({unit.shown})" if len(units) > 1 else title
            suffix = "" if unit is units[0] else "-mmol"
            yield _of(f"{name}{suffix}", shown, unit.loinc or metric.loinc, unit, metric.possible)
    yield from _pressures(METRICS["blood-pressure"])
    yield HBA1C


def _pressures(metric: Metric) -> Iterator[Measure]:
    for title, part in zip(PRESSURES, metric.parts, strict=True):
        yield _of(part.loinc[0], title, part.loinc, metric.units[0], part.possible)


def _of(name: str, title: str, loinc: Coding, unit: Unit, possible: Range) -> Measure:
    assert possible.low is not None
    assert possible.high is not None
    return Measure(name, title, loinc, unit, *(_in(unit, limit) for limit in (possible.low, possible.high)))


def _in(unit: Unit, value: Decimal) -> Decimal:
    """A value of the metric's first unit in another of its units."""
    return short(round((value - unit.offset) / unit.factor, 1))


MEASURES: Mapping[str, Measure] = MappingProxyType({one.name: one for one in _measures()})


def measure_of(target: Mapping[str, Any]) -> Measure | None:
    """Which of the measures a target is about."""
    codes = {(one.get("system"), one.get("code")) for one in target.get("measure", {}).get("coding", ())}
    return next((one for one in MEASURES.values() if (LOINC, one.loinc[0]) in codes), None)


class ProblemError(Exception):
    """Why a form makes nothing: the name of a field, and what is wrong, of which the page has the words."""

    def __init__(self, field: str, what: str, measure: Measure | None = None) -> None:
        super().__init__(field, what)
        self.field, self.what, self.measure = field, what, measure


def number(text: str, field: str, measure: Measure) -> Decimal:
    """The number that somebody has typed, with a comma or a point. Raises ProblemError."""
    if not NUMBER.fullmatch(text):
        raise ProblemError(field, "number", measure)
    return Decimal(text.replace(",", "."))


def value(text: str, field: str, measure: Measure) -> Decimal:
    """A number that can be measured at all. Raises ProblemError."""
    found = number(text, field, measure)
    if not measure.least <= found <= measure.most:
        raise ProblemError(field, "possible", measure)
    return found
