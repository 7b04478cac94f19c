"""The demo clinic's clinical data: a handful of invented patients with a year of care, made the same each time.

The resources follow the shape of Synthea's output (SNOMED CT conditions, LOINC vital signs with UCUM units), so that
what a newcomer tries here works on real exports too.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from healix_fhir.server.demo import imaging, treatment

MRN = "urn:oid:2.16.840.1.113883.19.5"
"""The demo clinic's record numbers; also the PatientID of its images."""
LOINC, SNOMED, UCUM = "http://loinc.org", "http://snomed.info/sct", "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

PEOPLE = (
    ("demo-amara", "HX-1001", "Okafor", "Amara", "female", "1968-04-12", ("44054006", "Diabetes mellitus type 2")),
    ("demo-jonas", "HX-1002", "Lindqvist", "Jonas", "male", "1955-11-30", ("38341003", "Hypertensive disorder")),
    ("demo-mei", "HX-1003", "Tanaka", "Mei", "female", "1991-07-03", ("195967001", "Asthma")),
    ("demo-rafael", "HX-1004", "Ibarra", "Rafael", "male", "1979-02-19", ("414916001", "Obesity")),
    ("demo-ines", "HX-1005", "Moreau", "Inès", "female", "2014-09-25", ("367498001", "Seasonal allergic rhinitis")),
)
"""Logical id, record number, family name, given name, gender, birth date, condition (SNOMED CT)."""

VITALS = (
    ("8867-4", "Heart rate", "/min", 72, 7),
    ("9279-1", "Respiratory rate", "/min", 15, 2),
    ("8310-5", "Body temperature", "Cel", Decimal("36.8"), Decimal("0.3")),
    ("29463-7", "Body weight", "kg", Decimal("74.5"), Decimal("1.2")),
    ("2708-6", "Oxygen saturation in Arterial blood", "%", 97, 1),
)
"""LOINC code and display, UCUM unit, centre and spread."""

SHOWN = {"Cel": "°C"}
"""How people write a unit, where they do so in another way than UCUM."""

PRACTITIONER, ORGANIZATION = "demo-clinician", "demo-clinic"


def bundles(today: datetime) -> Iterator[dict[str, Any]]:
    """The demo data as transaction bundles: the clinic first, then one for each patient."""
    yield _bundle(_clinic())
    nine = today.astimezone(UTC).replace(hour=9, minute=0, second=0, microsecond=0)
    last = nine if nine <= today else nine - timedelta(days=1)
    for person in PEOPLE:
        yield _bundle(_record(person, last))


def _bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"https://demo.invalid/fhir/{resource['resourceType']}/{resource['id']}",
                "resource": resource,
                "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
            }
            for resource in resources
        ],
    }


def _clinic() -> list[dict[str, Any]]:
    return [
        {"resourceType": "Organization", "id": ORGANIZATION, "active": True, "name": "Harbour Street Clinic"},
        {
            "resourceType": "Practitioner",
            "id": PRACTITIONER,
            "active": True,
            "name": [{"family": "Haddad", "given": ["Leila"], "prefix": ["Dr."]}],
        },
        *treatment.hours(PRACTITIONER, ORGANIZATION),
        *treatment.rules(),
    ]


def _record(person: tuple[str, str, str, str, str, str, tuple[str, str]], now: datetime) -> list[dict[str, Any]]:
    id_, number, family, given, gender, birth, (code, display) = person
    chance = random.Random(number)  # noqa: S311 - invented measurements
    subject = {"reference": f"Patient/{id_}", "display": f"{given} {family}"}
    patient = {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [{"use": "usual", "system": MRN, "value": number}],
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "gender": gender,
        "birthDate": birth,
        "generalPractitioner": [{"reference": f"Practitioner/{PRACTITIONER}"}],
        "managingOrganization": {"reference": f"Organization/{ORGANIZATION}"},
    }
    condition = {
        "resourceType": "Condition",
        "id": f"{id_}-condition",
        "clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]},
        "code": {"coding": [{"system": SNOMED, "code": code, "display": display}], "text": display},
        "subject": subject,
        "recordedDate": _day(now - timedelta(days=360)),
    }
    record: list[dict[str, Any]] = [patient, condition, _goal(id_, subject, now)]
    for month in range(12):
        record += _visit(id_, subject, now - timedelta(days=30 * month), month, chance)
    images = [imaging.order(subject, PRACTITIONER)] if id_ == imaging.PATIENT else []
    return [*record, *treatment.of(id_, PRACTITIONER, now), *images]


def _goal(id_: str, subject: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Less weight, which the visits move by themselves."""
    code, display, unit, *_ = next(vital for vital in VITALS if vital[1] == "Body weight")
    wanted = {"value": Decimal("73.5"), "comparator": "<=", "unit": unit, "system": UCUM, "code": unit}
    return {
        "resourceType": "Goal",
        "id": f"{id_}-goal",
        "lifecycleStatus": "active",
        "description": {"text": "Body weight: at most 73.5 kg"},
        "subject": subject,
        "startDate": _day(now - timedelta(days=330)),
        "target": [
            {
                "measure": {"coding": [{"system": LOINC, "code": code, "display": display}], "text": display},
                "detailQuantity": wanted,
                "dueDate": _day(now + timedelta(days=90)),
            }
        ],
        "expressedBy": {"reference": f"Practitioner/{PRACTITIONER}"},
    }


def _visit(id_: str, subject: dict[str, Any], at: datetime, month: int, chance: random.Random) -> list[dict[str, Any]]:
    encounter_id = f"{id_}-visit-{month}"
    encounter = {
        "resourceType": "Encounter",
        "id": encounter_id,
        "status": "finished",
        "class": {"system": ACT, "code": "AMB", "display": "ambulatory"},
        "subject": subject,
        "participant": [{"individual": {"reference": f"Practitioner/{PRACTITIONER}"}}],
        "period": {"start": _instant(at), "end": _instant(at + timedelta(minutes=20))},
    }
    return [encounter, *(_vital(encounter_id, subject, at, vital, chance) for vital in VITALS)]


def _vital(
    encounter_id: str, subject: dict[str, Any], at: datetime, vital: tuple[Any, ...], chance: random.Random
) -> dict[str, Any]:
    code, display, unit, centre, spread = vital
    value = centre + spread * Decimal(chance.randint(-10, 10)) / 10
    return {
        "resourceType": "Observation",
        "id": f"{encounter_id}-{code}",
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs", "display": "Vital Signs"}]}],
        "code": {"coding": [{"system": LOINC, "code": code, "display": display}], "text": display},
        "subject": subject,
        "encounter": {"reference": f"Encounter/{encounter_id}"},
        "effectiveDateTime": _instant(at),
        "valueQuantity": {
            "value": Decimal(f"{value:.1f}"),
            "unit": SHOWN.get(unit, unit),
            "system": UCUM,
            "code": unit,
        },
    }


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
