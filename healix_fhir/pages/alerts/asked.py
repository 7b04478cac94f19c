"""A limit as a form asks for it, to a PlanDefinition: pure rules.

The form knows one measure and one limit; what else a rule may say is written over FHIR (docs/reference/alert-rules.md).

Spec: FHIR R4, hl7.org/fhir/R4/plandefinition.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from healix_fhir.care.alerts import worded
from healix_fhir.operation.measurement.metrics import LOINC, METRICS, UCUM
from healix_fhir.pages.measures import MEASURES, Measure, ProblemError, number, value

Json = dict[str, Any]
MINUTES = re.compile(r"[1-9]\d{0,3}", re.ASCII)
LONGEST = 200
ABOVE, BELOW = "above", "below"
PRIORITIES = ("routine", "urgent", "stat")
TYPES = "http://terminology.hl7.org/CodeSystem/plan-definition-type"
PANEL = METRICS["blood-pressure"]
PARTS = frozenset(part.loinc[0] for part in PANEL.parts)


class Fields(msgspec.Struct, frozen=True):
    """What a form holds, as it was typed."""

    measure: str = ""
    kind: str = ABOVE
    limit: str = ""
    margin: str = ""
    priority: str = "urgent"
    words: str = ""
    plain: str = ""
    minutes: str = ""
    tell: str = ""


def fields(form: Mapping[str, str]) -> Fields:
    """The fields of a form that was sent."""
    return Fields(**{name: form.get(name, "").strip()[:LONGEST] for name in Fields.__struct_fields__})


def rule(asked: Fields, kind: str) -> Json:
    """The PlanDefinition of the type `kind` that a form asks for. Raises ProblemError."""
    measure = MEASURES.get(asked.measure)
    if measure is None:
        raise ProblemError("measure", "unknown")
    if asked.kind not in (ABOVE, BELOW):
        raise ProblemError("kind", "unknown", measure)
    if asked.priority not in PRIORITIES:
        raise ProblemError("priority", "unknown", measure)
    limit = value(asked.limit, "limit", measure)
    margin = number(asked.margin, "margin", measure) if asked.margin else Decimal(0)
    title = worded.limit(measure.title, asked.kind, limit, measure.unit.shown)
    action: Json = {
        "id": "limit",
        "title": title,
        "priority": asked.priority,
        "trigger": [{"type": "data-added", "data": [_wanted(measure)]}],
        "condition": _conditions(measure, asked.kind, limit, margin),
        "participant": [{"type": "practitioner"}, *([{"type": "patient"}] if asked.tell else [])],
    }
    if asked.words:
        action["description"] = asked.words
    if asked.plain:
        action["textEquivalent"] = asked.plain
    if asked.minutes:
        action["action"] = [_escalation(asked.minutes, measure)]
    return {
        "resourceType": "PlanDefinition",
        "title": title,
        "status": "active",
        "type": {"coding": [{"system": TYPES, "code": kind}]},
        "action": [action],
    }


def _wanted(measure: Measure) -> Json:
    """The Observations of a measure: a pressure stands by itself, or in the panel of both."""
    codes = [measure.loinc, *([PANEL.loinc] if measure.loinc[0] in PARTS else [])]
    coded = [{"system": LOINC, "code": code, "display": display} for code, display in codes]
    return {"type": "Observation", "codeFilter": [{"path": "code", "code": coded}]}


def _conditions(measure: Measure, kind: str, limit: Decimal, margin: Decimal) -> list[Json]:
    """Beyond the limit; and to end it, back by the margin."""
    path = "value.ofType(Quantity)"
    if measure.loinc[0] in PARTS:
        part = f"component.where(code.coding.exists(system = %loinc and code = '{measure.loinc[0]}'))"
        path = f"({path} | {part}.value.ofType(Quantity))"
    over, back, end = (">", "<=", limit - margin) if kind == ABOVE else ("<", ">=", limit + margin)
    unit = measure.unit.code
    found = [("applicability", f"{path}.exists($this {over} {limit} '{unit}')")]
    found.append(("stop", f"{path}.exists($this {back} {end} '{unit}')"))
    return [
        {"kind": of, "expression": {"language": "text/fhirpath", "expression": expression}} for of, expression in found
    ]


def _escalation(minutes: str, measure: Measure) -> Json:
    if not MINUTES.fullmatch(minutes):
        raise ProblemError("minutes", "minutes", measure)
    after = {"value": int(minutes), "unit": "min", "system": UCUM, "code": "min"}
    return {
        "title": worded.UNACKNOWLEDGED,
        "relatedAction": [{"actionId": "limit", "relationship": "after-start", "offsetDuration": after}],
        "participant": [{"type": "practitioner"}],
    }
