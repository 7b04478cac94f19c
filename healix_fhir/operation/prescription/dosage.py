"""A Dosage from the answers of a short form, and in words from any Dosage, in the language of the request.

What a form made is kept in English words, by which it is known again and said in other languages; what a prescriber
wrote stands as it is.

Spec: FHIR R4, hl7.org/fhir/R4/dosage.html, hl7.org/fhir/R4/datatypes.html#Timing
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.kernel.language.catalogue import Words, marked, say
from healix_fhir.kernel.language.dates import figure, form
from healix_fhir.kernel.language.spoken import ENGLISH, speaking
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
SPANS: Mapping[str, tuple[str, str]] = {
    "s": (marked("for {n} second"), marked("for {n} seconds")),
    "min": (marked("for {n} minute"), marked("for {n} minutes")),
    "h": (marked("for {n} hour"), marked("for {n} hours")),
    "d": (marked("for {n} day"), marked("for {n} days")),
    "wk": (marked("for {n} week"), marked("for {n} weeks")),
    "mo": (marked("for {n} month"), marked("for {n} months")),
    "a": (marked("for {n} year"), marked("for {n} years")),
}
"""How long, one and several, by R4's units of time."""
OFTEN = Words(
    {
        "s": "{often} a second",
        "min": "{often} a minute",
        "h": "{often} an hour",
        "d": "{often} a day",
        "wk": "{often} a week",
        "mo": "{often} a month",
        "a": "{often} a year",
    }
)
EVERY = Words(
    {
        "s": "every {n} seconds",
        "min": "every {n} minutes",
        "h": "every {n} hours",
        "d": "every {n} days",
        "wk": "every {n} weeks",
        "mo": "every {n} months",
        "a": "every {n} years",
    }
)
DOSES: Mapping[str, tuple[str, str]] = {
    "tablet": (marked("{n} tablet"), marked("{n} tablets")),
    "capsule": (marked("{n} capsule"), marked("{n} capsules")),
    "unit": (marked("{n} unit"), marked("{n} units")),
    "drop": (marked("{n} drop"), marked("{n} drops")),
    "puff": (marked("{n} puff"), marked("{n} puffs")),
    "patch": (marked("{n} patch"), marked("{n} patches")),
    "application": (marked("{n} application"), marked("{n} applications")),
}
"""Those of `UNITS` that are counted: not more than one, and more."""
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
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIMES = Words({"1": "once", "2": "twice"})
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
    with speaking(ENGLISH):
        return {"text": _of_parts(made)} | made


def in_words(one: Mapping[str, Any]) -> str:
    """A Dosage in words: those that it has, or those of its parts; with what the patient is told beside."""
    said = _own_words(one) or _of_parts(one)
    beside = str(one.get("patientInstruction", ""))
    return ". ".join(filter(None, (said.removesuffix("."), beside)))


def _own_words(one: Mapping[str, Any]) -> str:
    """What somebody wrote; nothing where it is what the parts are in English."""
    text = str(one.get("text", ""))
    with speaking(ENGLISH):
        return text if text != _of_parts(one) else ""


def _of_parts(one: Mapping[str, Any]) -> str:
    words = [*_dose(one), _route(one.get("route") or {}), *_timing(one.get("timing") or {})]
    if one.get("asNeededBoolean"):
        words.append(say("when needed"))
    elif "asNeededCodeableConcept" in one:
        words.append(say("when needed for {reason}", reason=concept_text(one["asNeededCodeableConcept"])))
    return " ".join(filter(None, words))


def _dose(one: Mapping[str, Any]) -> list[str]:
    for rate in one.get("doseAndRate", ()):
        if "doseQuantity" in rate:
            return [amount(rate["doseQuantity"])]
        if "doseRange" in rate:
            low, high = (amount(rate["doseRange"].get(end, {})) for end in ("low", "high"))
            return [say("{low} to {high}", low=low, high=high)]
    return []


def amount(quantity: Mapping[str, Any]) -> str:
    """A quantity of a medication in words: `2 tablets`."""
    value, unit = quantity.get("value"), str(quantity.get("unit") or quantity.get("code") or "")
    if value is None:
        return unit
    shown = figure(format(Decimal(str(value)).normalize(), "f") if isinstance(value, Decimal) else value)
    if unit in DOSES:
        return say(DOSES[unit][Decimal(str(value)) > 1], n=shown)
    return f"{shown} {say(unit) if unit in UNITS else unit}".strip()


def _route(concept: Mapping[str, Any]) -> str:
    """As an instruction has it, where it is one of `ROUTES`."""
    text = concept_text(concept)
    return say(text) if any(text == said for _, said in ROUTES.values()) else text


def _timing(timing: Mapping[str, Any]) -> list[str]:
    repeat = timing.get("repeat") or {}
    words = [_often(repeat)]
    words += [say(WHEN[code]) if code in WHEN else str(code) for code in repeat.get("when", ())]
    if repeat.get("dayOfWeek"):
        words.append(say("on {days}", days=", ".join(map(_weekday, repeat["dayOfWeek"]))))
    if repeat.get("timeOfDay"):
        words.append(say("at {times}", times=", ".join(str(time)[:5] for time in repeat["timeOfDay"])))
    if not any(words):
        words.append(concept_text(timing.get("code") or {}))
    bounds = repeat.get("boundsDuration")
    if bounds and bounds.get("value") is not None:
        words.append(_lasting(bounds["value"], str(bounds.get("code") or bounds.get("unit") or "")))
    return words


def _weekday(code: object) -> str:
    return form().weekdays[DAYS.index(str(code))] if code in DAYS else str(code)


def _often(repeat: Mapping[str, Any]) -> str:
    """How often: `twice a day`, `every 6 hours`."""
    period, unit = repeat.get("period"), str(repeat.get("periodUnit", ""))
    if period is None or unit not in OFTEN:
        return ""
    frequency = int(repeat.get("frequency", 1))
    often = TIMES.get(str(frequency)) or say("{n} times", n=frequency)
    if Decimal(str(period)) == 1:
        return OFTEN[unit].format(often=often)
    every = EVERY[unit].format(n=figure(period))
    return every if frequency == 1 else say("{often} {every}", often=often, every=every)


def _lasting(value: object, unit: str) -> str:
    if unit in SPANS:
        return say(SPANS[unit][Decimal(str(value)) != 1], n=figure(value))
    return say("for {n} {unit}", n=figure(value), unit=unit)
