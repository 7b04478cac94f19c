"""A patient's record for reports: some of everything, and months of measurements."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENT: Json = {
    "resourceType": "Patient",
    "id": "ada",
    "name": [{"use": "official", "given": ["Ada", "Maria"], "family": "Lovelace"}],
    "birthDate": "1975-12-10",
    "gender": "female",
    "identifier": [{"system": "urn:mrn", "value": "MRN-0042"}],
    "address": [{"line": ["12 St James Square"], "postalCode": "1010", "city": "Vienna"}],
    "telecom": [{"system": "phone", "value": "+43 1 234567"}],
}
SUBJECT = {"reference": "Patient/ada"}
DOCTOR: Json = {"resourceType": "Practitioner", "id": "doc", "name": [{"prefix": ["Dr."], "family": "Hopper"}]}


def _quantity(value: float, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def _vital(number: int, code: str, text: str, days: float, **value: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"o{code}-{number}",
        "status": "final",
        "category": [
            {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}], "text": text},
        "subject": SUBJECT,
        "effectiveDateTime": (START + timedelta(days=days)).isoformat(),
        **value,
    }


def vitals(days: int = 85) -> list[Json]:
    """A day's heart rate, weight and blood pressure, each day."""
    made = []
    for n in range(days):
        wave = math.sin(n / 8)
        usual = [{"low": _quantity(60, "/min"), "high": _quantity(90, "/min")}]
        made += [
            _vital(
                n,
                "8867-4",
                "Heart rate",
                n + 0.3,
                valueQuantity=_quantity(round(76 + 18 * wave), "/min"),
                referenceRange=usual,
            ),
            _vital(n, "29463-7", "Body weight", n + 0.31, valueQuantity=_quantity(round(81.4 - n / 40, 1), "kg")),
            _vital(
                n,
                "85354-9",
                "Blood pressure",
                n + 0.32,
                component=[
                    {
                        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                        "valueQuantity": _quantity(value, "mm[Hg]"),
                    }
                    for code, value in (("8480-6", round(128 + 9 * wave)), ("8462-4", round(82 + 5 * wave)))
                ],
            ),
        ]
    return made


def _state(system: str, code: str) -> Json:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


def lists() -> list[Json]:
    """Problems, medication, allergies, goals, appointments and a report."""
    return [
        {
            "resourceType": "Condition",
            "id": "c1",
            "clinicalStatus": _state("condition-clinical", "active"),
            "code": {"text": "Essential hypertension"},
            "onsetDateTime": "2021-05",
            "severity": {"text": "moderate"},
            "subject": SUBJECT,
        },
        {
            "resourceType": "Condition",
            "id": "c2",
            "clinicalStatus": _state("condition-clinical", "resolved"),
            "code": {"text": "Acute bronchitis"},
            "onsetDateTime": "2026-01-10",
            "abatementDateTime": "2026-01-24",
            "subject": SUBJECT,
        },
        {
            "resourceType": "MedicationRequest",
            "id": "m1",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": "Ramipril 5 mg tablet"},
            "authoredOn": "2021-06-01",
            "dosageInstruction": [{"text": "1 tablet in the morning"}],
            "reasonReference": [{"reference": "Condition/c1"}],
            "subject": SUBJECT,
        },
        {
            "resourceType": "AllergyIntolerance",
            "id": "a1",
            "clinicalStatus": _state("allergyintolerance-clinical", "active"),
            "criticality": "high",
            "code": {"text": "Penicillin"},
            "reaction": [{"manifestation": [{"text": "Anaphylaxis"}], "severity": "severe"}],
            "patient": SUBJECT,
        },
        {
            "resourceType": "Goal",
            "id": "g1",
            "lifecycleStatus": "active",
            "achievementStatus": _state("goal-achievement", "improving"),
            "description": {"text": "Lose weight"},
            "startDate": "2026-01-01",
            "target": [
                {"measure": {"text": "Body weight"}, "detailQuantity": _quantity(75, "kg"), "dueDate": "2026-06-30"}
            ],
            "subject": SUBJECT,
        },
        {
            "resourceType": "Appointment",
            "id": "p1",
            "status": "booked",
            "start": "2026-03-12T09:00:00Z",
            "end": "2026-03-12T09:20:00Z",
            "description": "Blood pressure check",
            "participant": [
                {"actor": SUBJECT, "status": "accepted"},
                {"actor": {"reference": "Practitioner/doc"}, "status": "accepted"},
            ],
        },
        {
            "resourceType": "Observation",
            "id": "lab",
            "status": "final",
            "code": {"text": "Creatinine"},
            "valueQuantity": {"value": 0.80, "unit": "mg/dL"},
            "referenceRange": [{"low": {"value": 0.5, "unit": "mg/dL"}, "high": {"value": 1.1, "unit": "mg/dL"}}],
            "subject": SUBJECT,
        },
        {
            "resourceType": "DiagnosticReport",
            "id": "r1",
            "status": "final",
            "code": {"text": "Chest X-ray"},
            "effectiveDateTime": "2026-02-02T10:30:00Z",
            "issued": "2026-02-02T12:00:00Z",
            "conclusion": "No infiltrate. Heart of normal size.",
            "performer": [{"reference": "Practitioner/doc"}],
            "result": [{"reference": "Observation/lab"}],
            "subject": SUBJECT,
        },
    ]
