"""Goals and readings as tests write them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Json = dict[str, Any]
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
WEIGHT, STEPS, SLEEP = "29463-7", "55423-8", "93832-4"


def quantity(value: str, unit: str = "kg", comparator: str = "") -> Json:
    """A UCUM quantity."""
    return {"value": Decimal(value), "unit": unit, "system": UCUM, "code": unit} | (
        {"comparator": comparator} if comparator else {}
    )


def goal(*targets: Json, start: str | None = "2026-03-01", code: str = WEIGHT) -> Json:
    """An active goal."""
    measure = {"measure": {"coding": [{"system": LOINC, "code": code}], "text": "What is measured"}}
    return {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "x"},
        "subject": {"reference": "Patient/p"},
        "target": [measure | target for target in targets],
    } | ({"startDate": start} if start else {})


def observation(at: str, value: str, unit: str = "kg", code: str = WEIGHT, **elements: Any) -> Json:
    """A reading."""
    return {
        "resourceType": "Observation",
        "id": at.replace(":", "-"),
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "effectiveDateTime": at,
        "valueQuantity": quantity(value, unit),
    } | elements
