"""How the demo clinic works and what it has agreed with its patients: opening hours, alerts, goals, prescriptions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]
LOINC, UCUM, RXNORM = (
    "http://loinc.org",
    "http://unitsofmeasure.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
ZONE = "http://hl7.org/fhir/StructureDefinition/timezone"
SLOT_MINUTES = "urn:healix:slot-minutes"
HYPERTENSIVE, DIABETIC = "demo-jonas", "demo-amara"


def hours(practitioner: str, organization: str) -> list[Json]:
    """When the clinician has time: weekdays, half an hour for each patient."""
    weekdays = ["mon", "tue", "wed", "thu", "fri"]
    return [
        {
            "resourceType": "PractitionerRole",
            "id": "demo-clinician-role",
            "extension": [
                {"url": ZONE, "valueCode": "Europe/Berlin"},
                {"url": SLOT_MINUTES, "valuePositiveInt": 30},
            ],
            "active": True,
            "practitioner": {"reference": f"Practitioner/{practitioner}", "display": "Dr. Leila Haddad"},
            "organization": {"reference": f"Organization/{organization}"},
            "specialty": [{"text": "General practice"}],
            "availableTime": [
                {"daysOfWeek": weekdays, "availableStartTime": "09:00:00", "availableEndTime": "12:00:00"},
                {"daysOfWeek": weekdays[:4], "availableStartTime": "14:00:00", "availableEndTime": "17:00:00"},
            ],
        }
    ]


def rules() -> list[Json]:
    """What the clinic wants to be told of at once."""
    kind = {"system": "http://terminology.hl7.org/CodeSystem/plan-definition-type", "code": "eca-rule"}
    glucose = {"type": "Observation", "codeFilter": [{"path": "code", "code": [{"system": LOINC, "code": "2339-0"}]}]}
    return [
        {
            "resourceType": "PlanDefinition",
            "id": "demo-glucose-high",
            "url": "https://demo.invalid/PlanDefinition/glucose-high",
            "title": "Glucose high",
            "status": "active",
            "type": {"coding": [kind]},
            "action": [
                {
                    "id": "high",
                    "title": "Glucose above 220 mg/dL",
                    "textEquivalent": "Your glucose is high. Your clinic has been told and will get in touch.",
                    "priority": "asap",
                    "trigger": [{"type": "data-added", "data": [glucose]}],
                    "condition": [
                        _condition("applicability", "value > 220 'mg/dL'"),
                        _condition("stop", "value < 180 'mg/dL'"),
                    ],
                }
            ],
        }
    ]


def _condition(kind: str, expression: str) -> Json:
    return {"kind": kind, "expression": {"language": "text/fhirpath", "expression": expression}}


def of(patient: str, practitioner: str, today: datetime) -> list[Json]:
    """The goals, prescriptions and appointments of a demo patient; none of most."""
    author = {"reference": f"Practitioner/{practitioner}", "display": "Dr. Leila Haddad"}
    if patient == HYPERTENSIVE:
        return [
            _goal(
                patient,
                author,
                today,
                "pressure",
                "Systolic blood pressure below 140",
                ("8480-6", "Systolic blood pressure", 140, "mm[Hg]", "mmHg"),
            ),
            _goal(
                patient,
                author,
                today,
                "steps",
                "8,000 steps a day",
                ("55423-8", "Steps", 8000, "{steps}", "steps"),
                least=True,
            ),
            _prescription(patient, author, today, ("329528", "amlodipine 5 MG"), "One tablet in the morning"),
            _appointment(patient, author, today - timedelta(days=29), "fulfilled", "Blood pressure, first review"),
            _appointment(patient, author, today + timedelta(days=6), "booked", "Blood pressure review"),
        ]
    if patient == DIABETIC:
        return [
            _goal(
                patient,
                author,
                today,
                "glucose",
                "Glucose below 180 mg/dL",
                ("2339-0", "Glucose", 180, "mg/dL", "mg/dL"),
            ),
            _prescription(
                patient, author, today, ("860975", "metformin 500 MG"), "One tablet twice a day, with meals", daily=2
            ),
        ]
    return []


def _goal(
    patient: str,
    author: Json,
    today: datetime,
    name: str,
    text: str,
    aim: tuple[str, str, int, str, str],
    *,
    least: bool = False,
) -> Json:
    code, measure, value, ucum, unit = aim
    return {
        "resourceType": "Goal",
        "id": f"{patient}-goal-{name}",
        "lifecycleStatus": "active",
        "description": {"text": text},
        "subject": {"reference": f"Patient/{patient}"},
        "startDate": _day(today - timedelta(days=85)),
        "expressedBy": author,
        "target": [
            {
                "measure": {"coding": [{"system": LOINC, "code": code}], "text": measure},
                "detailQuantity": {
                    "value": value,
                    "comparator": ">=" if least else "<",
                    "unit": unit,
                    "system": UCUM,
                    "code": ucum,
                },
                "dueDate": _day(today + timedelta(days=60)),
            }
        ],
    }


def _prescription(
    patient: str, author: Json, today: datetime, drug: tuple[str, str], how: str, *, daily: int = 1
) -> Json:
    code, name = drug
    return {
        "resourceType": "MedicationRequest",
        "id": f"{patient}-prescription",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": RXNORM, "code": code, "display": name}], "text": name},
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": _day(today - timedelta(days=85)),
        "requester": author,
        "dosageInstruction": [
            {
                "text": how,
                "timing": {"repeat": {"frequency": daily, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [
                    {
                        "doseQuantity": {
                            "value": 1,
                            "unit": "tablet",
                            "system": "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm",
                            "code": "TAB",
                        }
                    }
                ],
            }
        ],
        "dispenseRequest": {
            "numberOfRepeatsAllowed": 3,
            "expectedSupplyDuration": {"value": 90, "unit": "days", "system": UCUM, "code": "d"},
        },
    }


def _appointment(patient: str, author: Json, at: datetime, status: str, reason: str) -> Json:
    return {
        "resourceType": "Appointment",
        "id": f"{patient}-appointment-{status}",
        "status": status,
        "description": reason,
        "start": at.isoformat(),
        "end": (at + timedelta(minutes=30)).isoformat(),
        "participant": [
            {"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"},
            {"actor": author, "status": "accepted"},
        ],
    }


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")
