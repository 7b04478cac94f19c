"""A Dosage from the answers of a short form, and in words from any Dosage.

Spec: FHIR R4, hl7.org/fhir/R4/dosage.html, hl7.org/fhir/R4/datatypes.html#Timing
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.operation.told import concept_text

Json = dict[str, Any]
SNOMED = "http://snomed.info/sct"
ROUTES: Mapping[str, tuple[str, str]] = {
    # by what people choose: the code in SNOMED CT, as in R4's route-codes, and the words of an instruction
    "oral": ("26643006", "by mouth"),
    "sublingual": ("37839007", "under the tongue"),
    "topical": ("6064005", "on the skin"),
    "inhalation": ("447694001", "by inhaling"),
    "eye": ("54485002", "in the eye"),
    "nose": ("46713006", "in the nose"),
    "rectal": ("37161004", "rectally"),
    "subcutaneous": ("34206005", "under the skin"),
    "intramuscular": ("78421000", "into the muscle"),
    "intravenous": ("47625008", "into the vein"),
}
UNITS = ("tablet", "capsule", "mL", "mg", "g", "microgram", "unit", "drop", "puff", "patch", "application")
PERIODS: Mapping[str, tuple[str, str]] = {
    "h": ("hour", "hours"),
    "d": ("day", "days"),
    "wk": ("week", "weeks"),
    "mo": ("month", "months"),
}
OTHERS: Mapping[str, tuple[str, str]] = {
    "s": ("second", "seconds"),
    "min": ("minute", "minutes"),
    "a": ("year", "years"),
}
WHEN: Mapping[str, str] = {
    "MORN": "in the morning",
    "NOON": "at noon",
    "AFT": "in the afternoon",
    "EVE": "in the evening",
    "NIGHT": "at night",
    "HS": "before sleep",
    "AC": "before meals",
    "C": "with meals",
    "PC": "after meals",
    "WAKE": "after waking",
}
DAYS: Mapping[str, str] = {
    "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday",
    "sun": "Sunday",
}  # fmt: skip
TIMES = {1: "once", 2: "twice"}
UCUM = "http://unitsofmeasure.org"
METRIC = {"mL": "mL", "mg": "mg", "g": "g", "microgram": "ug"}
"""The units of `UNITS` that UCUM has, with its codes."""


class Chosen(msgspec.Struct, frozen=True):
    """What somebody chose: a dose, how often within how long, and what goes with it."""

    amount: Decimal
    unit: str
    frequency: int
    period: int = 1
    period_unit: str = "d"
    route: str = ""
    when: tuple[str, ...] = ()
    as_needed: bool = False
    days: int = 0
    instruction: str = ""


def dosage(chosen: Chosen) -> Json:
    """The Dosage, with its words."""
    repeat: Json = {"frequency": chosen.frequency, "period": chosen.period, "periodUnit": chosen.period_unit}
    if chosen.when:
        repeat["when"] = list(chosen.when)
    if chosen.days:
        days = {"value": chosen.days, "unit": "day" if chosen.days == 1 else "days", "system": UCUM, "code": "d"}
        repeat["boundsDuration"] = days
    coded = {"system": UCUM, "code": METRIC[chosen.unit]} if chosen.unit in METRIC else {}
    made: Json = {
        "timing": {"repeat": repeat},
        "asNeededBoolean": chosen.as_needed,
        "doseAndRate": [{"doseQuantity": {"value": chosen.amount, "unit": chosen.unit, **coded}}],
    }
    if chosen.route:
        code, said = ROUTES[chosen.route]
        made["route"] = {"coding": [{"system": SNOMED, "code": code}], "text": said}
    if chosen.instruction:
        made["patientInstruction"] = chosen.instruction
    return {"text": _of_parts(made)} | made


def in_words(one: Mapping[str, Any]) -> str:
    """A Dosage in words: those that it has, or those of its parts; with what the patient is told beside."""
    said = str(one.get("text", "")) or _of_parts(one)
    beside = str(one.get("patientInstruction", ""))
    return ". ".join(filter(None, (said.removesuffix("."), beside)))


def _of_parts(one: Mapping[str, Any]) -> str:
    words = [*_dose(one), concept_text(one.get("route") or {}), *_timing(one.get("timing") or {})]
    if one.get("asNeededBoolean"):
        words.append("when needed")
    elif "asNeededCodeableConcept" in one:
        words.append(f"when needed for {concept_text(one['asNeededCodeableConcept'])}")
    return " ".join(filter(None, words))


def _dose(one: Mapping[str, Any]) -> list[str]:
    for rate in one.get("doseAndRate", ()):
        if "doseQuantity" in rate:
            return [_quantity(rate["doseQuantity"])]
        if "doseRange" in rate:
            return [f"{_quantity(rate['doseRange'].get('low', {}))} to {_quantity(rate['doseRange'].get('high', {}))}"]
    return []


def _quantity(quantity: Mapping[str, Any]) -> str:
    value, unit = quantity.get("value"), str(quantity.get("unit") or quantity.get("code") or "")
    if value is None:
        return unit
    shown = format(Decimal(str(value)).normalize(), "f") if isinstance(value, Decimal) else str(value)
    several = "es" if unit.endswith(("ch", "sh", "x")) else "s"
    counted = unit in UNITS and unit not in METRIC and Decimal(str(value)) > 1
    return f"{shown} {unit}{several if counted else ''}".strip()


def _timing(timing: Mapping[str, Any]) -> list[str]:
    repeat = timing.get("repeat") or {}
    words = [_often(repeat)]
    words += [WHEN.get(code, str(code)) for code in repeat.get("when", ())]
    if repeat.get("dayOfWeek"):
        words.append("on " + ", ".join(DAYS.get(day, str(day)) for day in repeat["dayOfWeek"]))
    if repeat.get("timeOfDay"):
        words.append("at " + ", ".join(str(time)[:5] for time in repeat["timeOfDay"]))
    if not any(words):
        words.append(concept_text(timing.get("code") or {}))
    bounds = repeat.get("boundsDuration")
    if bounds and bounds.get("value") is not None:
        words.append(f"for {_span(bounds['value'], str(bounds.get('code') or bounds.get('unit') or ''))}")
    return words


def _often(repeat: Mapping[str, Any]) -> str:
    """How often: `twice a day`, `every 6 hours`."""
    period, unit = repeat.get("period"), str(repeat.get("periodUnit", ""))
    if period is None or not unit:
        return ""
    frequency = int(repeat.get("frequency", 1))
    often = TIMES.get(frequency, f"{frequency} times")
    if Decimal(str(period)) == 1:
        return f"{often} a{'n' if unit == 'h' else ''} {_unit(unit, single=True)}"
    every = f"every {_span(period, unit)}"
    return every if frequency == 1 else f"{often} {every}"


def _span(value: object, unit: str) -> str:
    return f"{value} {_unit(unit, single=Decimal(str(value)) == 1)}"


def _unit(unit: str, *, single: bool) -> str:
    one, several = PERIODS.get(unit) or OTHERS.get(unit) or (unit, unit)
    return one if single else several
