"""Alert rules and readings for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.support.resources import LOINC, UCUM

Json = dict[str, Any]
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
FHIRPATH = "text/fhirpath"
HEART_RATE = "8867-4"
WEIGHT = "29463-7"


def condition(text: str, kind: str = "applicability") -> Json:
    """A condition of an action."""
    return {"kind": kind, "expression": {"language": FHIRPATH, "expression": text}}


def asked(code: str = HEART_RATE) -> Json:
    """A requirement of Observations with a code."""
    return {"type": "Observation", "codeFilter": [{"path": "code", "code": [{"system": LOINC, "code": code}]}]}


def looking_back(name: str, days: int, code: str = HEART_RATE) -> Json:
    """An input: the Observations of some days."""
    length = {"value": days, "unit": "d", "system": UCUM, "code": "d"}
    return {"id": name, **asked(code), "dateFilter": [{"path": "effective", "valueDuration": length}]}


def action(*conditions: Json, code: str = HEART_RATE, **more: Any) -> Json:
    """An action that is looked at with each Observation of a code."""
    return {
        "id": "a",
        "title": "Heart rate high",
        "trigger": [{"type": "data-added", "data": [asked(code)]}],
        "condition": list(conditions or [condition("value > 120 '/min'")]),
    } | more


def by_the_clock(*conditions: Json, **more: Any) -> Json:
    """An action that is looked at once a day."""
    every = {"type": "periodic", "timingTiming": {"repeat": {"period": 1, "periodUnit": "d"}}}
    return action(*conditions, trigger=[every], **more)


def plan(*actions: Json, type_: str = "eca-rule", **more: Any) -> Json:
    """A PlanDefinition."""
    system = "http://terminology.hl7.org/CodeSystem/plan-definition-type"
    return {
        "resourceType": "PlanDefinition",
        "id": "rule",
        "url": "http://clinic.test/rule",
        "title": "Rule",
        "status": "active",
        "type": {"coding": [{"system": system, "code": type_}]},
        "action": list(actions or [action()]),
    } | more


def activity(**more: Any) -> Json:
    """An ActivityDefinition: somebody is to call the patient. What is None is left out."""
    made: Json = {
        "resourceType": "ActivityDefinition",
        "id": "call",
        "url": "urn:call",
        "version": "1",
        "status": "active",
        "kind": "Task",
        "description": "Call the patient",
        "code": {"text": "Telephone call"},
    } | more
    return {name: value for name, value in made.items() if value is not None}


def reading(
    id_: str, value: float, at: datetime, patient: str = "p", code: str = HEART_RATE, unit: str = "/min"
) -> Json:
    """An Observation of a patient."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": at.isoformat().replace("+00:00", "Z"),
        "valueQuantity": {"value": value, "unit": unit, "system": UCUM, "code": unit},
    }


def care_plan(id_: str, canonical: str, **more: Any) -> Json:
    """An active CarePlan of the first patient that instantiates a plan."""
    return {
        "resourceType": "CarePlan",
        "id": id_,
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/p"},
        "instantiatesCanonical": [canonical],
    } | more
