"""A goal as a form asks for it, to a Goal and back: pure rules.

Only goals with one target, on one of the measures, are changed by the form; what else a Goal says stays as it is.

Spec: FHIR R4, hl7.org/fhir/R4/goal.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.operation.measurement.metrics import UCUM
from healix_fhir.pages.measures import MEASURES, Measure, ProblemError, measure_of, value

Json = dict[str, Any]
DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
LONGEST = 200
"""Characters of what people write."""
LEAST, MOST, BETWEEN = "least", "most", "between"
WORDS = {LEAST: "at least", MOST: "at most"}
COMPARATORS = {LEAST: ">=", MOST: "<="}


class Fields(msgspec.Struct, frozen=True):
    """What a form holds, as it was typed."""

    measure: str = ""
    kind: str = LEAST
    value: str = ""
    upper: str = ""
    due: str = ""
    words: str = ""


def fields(form: Mapping[str, str]) -> Fields:
    """The fields of a form that was sent."""
    return Fields(**{name: form.get(name, "").strip()[:LONGEST] for name in Fields.__struct_fields__})


def target(asked: Fields, today: date) -> Json:
    """The target that a form asks for. Raises ProblemError."""
    measure = MEASURES.get(asked.measure)
    if measure is None:
        raise ProblemError("measure", "unknown")
    least = value(asked.value, "value", measure)
    found: Json = {"measure": measure.coded()}
    if asked.kind == BETWEEN:
        upper = value(asked.upper, "upper", measure)
        if upper <= least:
            raise ProblemError("upper", "order", measure)
        found["detailRange"] = {"low": _quantity(least, measure), "high": _quantity(upper, measure)}
    elif asked.kind in COMPARATORS:
        found["detailQuantity"] = _quantity(least, measure) | {"comparator": COMPARATORS[asked.kind]}
    else:
        raise ProblemError("kind", "unknown", measure)
    if asked.due:
        found["dueDate"] = _day(asked.due, today)
    return found


def description(asked: Fields) -> Json:
    """What a goal is called: in the words of who set it, else in those of its target. `asked` is valid."""
    measure = MEASURES[asked.measure]
    unit = "" if measure.name == "steps" else f" {measure.unit.shown}"
    if asked.kind == BETWEEN:
        wanted = f"between {asked.value} and {asked.upper}{unit}"
    else:
        wanted = f"{WORDS[asked.kind]} {asked.value}{unit}"
    return {"text": asked.words or f"{measure.title}: {wanted}"}


def fields_of(goal: Json) -> Fields | None:
    """What the form holds for a Goal; None for one that it cannot show."""
    targets = goal.get("target", ())
    measure = measure_of(targets[0]) if len(targets) == 1 else None
    if measure is None:
        return None
    (one,) = targets
    quantity, low, high = (
        one.get("detailQuantity", {}),
        *(one.get("detailRange", {}).get(end) for end in ("low", "high")),
    )
    kinds = {comparator: kind for kind, comparator in COMPARATORS.items()}
    held = Fields(measure.name, due=one.get("dueDate", ""), words=goal["description"].get("text", ""))
    if quantity.get("comparator") in kinds and _is_in(quantity, measure):
        return msgspec.structs.replace(held, kind=kinds[quantity["comparator"]], value=_shown(quantity))
    if low is not None and high is not None and _is_in(low, measure) and _is_in(high, measure):
        return msgspec.structs.replace(held, kind=BETWEEN, value=_shown(low), upper=_shown(high))
    return None


def _is_in(quantity: Json, measure: Measure) -> bool:
    return "value" in quantity and (quantity.get("system"), quantity.get("code")) == (UCUM, measure.unit.code)


def _shown(quantity: Json) -> str:
    return f"{Decimal(quantity['value']):f}"


def _quantity(amount: Decimal, measure: Measure) -> Json:
    return {"value": amount, "unit": measure.unit.shown, "system": UCUM, "code": measure.unit.code}


def _day(text: str, today: date) -> str:
    try:
        day = date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise ProblemError("due", "day")
    if day < today:
        raise ProblemError("due", "past")
    return text
