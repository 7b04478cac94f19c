"""What the caller's own patient has, in pairs: one of each refers to hidden resources, its twin to missing ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.attacks.hidden import SYSTEM
from tests.support.attacks.names import OWN_IMAGES
from tests.support.resources import LOINC, UCUM

Json = dict[str, Any]
OWN = {"reference": "Patient/own"}
OPEN = {"meta": {"tag": [{"system": SYSTEM, "code": "open"}]}}
"""By what an app that sees some resources of all patients knows them."""


def tagged(*resources: Json) -> tuple[Json, ...]:
    """The resources, open to such an app."""
    return tuple(resource | OPEN for resource in resources)


PLAIN: tuple[Json, ...] = tagged(
    {"resourceType": "Organization", "id": "clinic", "name": "Clinic"},
    {"resourceType": "Organization", "id": "house", "name": "House"},
    {"resourceType": "Organization", "id": "part", "name": "Part", "partOf": {"reference": "Organization/house"}},
    {
        "resourceType": "PractitionerRole",
        "id": "denied",
        "practitioner": {"reference": "Practitioner/denied"},
        "organization": {"reference": "Organization/part"},
    },
    {"resourceType": "Location", "id": "ward", "name": "Ward"},
    {"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Doctor"}]},
    {"resourceType": "Practitioner", "id": "stranger", "name": [{"family": "Stranger"}]},
    {"resourceType": "Practitioner", "id": "denied", "name": [{"family": "Denied"}]},
    {
        "resourceType": "Patient",
        "id": "own",
        "identifier": [{"system": SYSTEM, "value": "own-mrn"}, {"system": SYSTEM, "value": OWN_IMAGES}],
        "name": [{"family": "Own"}],
        "generalPractitioner": [{"reference": "Practitioner/doctor"}, {"reference": "Practitioner/denied"}],
        "managingOrganization": {"reference": "Organization/clinic"},
    },
    {"resourceType": "Patient", "id": "other", "name": [{"family": "Other"}]},
    {
        "resourceType": "Observation",
        "id": "seen",
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
        "subject": OWN,
        "effectiveDateTime": "2024-01-01",
        "valueQuantity": {"value": 70, "system": UCUM, "code": "/min"},
    },
    {"resourceType": "Condition", "id": "seen", "code": {"text": "own"}, "subject": OWN},
)
"""What there is beside."""


def own(name: Mapping[str, str]) -> tuple[Json, ...]:
    """The caller's resources that refer to what `name` names; their ids begin as it does."""
    kind = name["kind"]

    def to(key: str) -> Json:
        type_name = TYPES[key]
        return {"reference": f"{type_name}/{name[key]}"}

    return tagged(
        {
            "resourceType": "Observation",
            "id": f"{kind}-own",
            "extension": [{"url": f"{SYSTEM}:to", "valueReference": to(key)} for key in ("patient", "observation")],
            "status": "final",
            "code": {"text": "own"},
            "subject": OWN,
            "encounter": to("encounter"),
            "focus": [to("patient"), to("observation"), to("basic")],
            "hasMember": [to("observation")],
            "derivedFrom": [to("document"), to("imaging")],
            "basedOn": [to("service")],
            "partOf": [to("procedure")],
            "specimen": to("specimen"),
            "device": to("device"),
        },
        {
            "resourceType": "List",
            "id": f"{kind}-own",
            "status": "current",
            "mode": "working",
            "subject": OWN,
            "encounter": to("encounter"),
            "entry": [{"item": to(key)} for key in ("observation", "condition", "patient")],
        },
        {
            "resourceType": "DocumentReference",
            "id": f"{kind}-own",
            "status": "current",
            "subject": OWN,
            "content": [{"attachment": {"url": f"Binary/{name['binary']}"}}],
            "context": {"related": [to("observation")], "encounter": [to("encounter")]},
        },
        {
            "resourceType": "Composition",
            "id": f"{kind}-own",
            "status": "final",
            "type": {"text": "own"},
            "subject": OWN,
            "date": "2024",
            "author": [{"reference": "Practitioner/doctor"}],
            "title": "own",
            "section": [{"entry": [to("observation"), to("list")]}],
        },
        {
            "resourceType": "DiagnosticReport",
            "id": f"{kind}-own",
            "status": "final",
            "code": {"text": "own"},
            "subject": OWN,
            "result": [{"reference": f"Observation/{kind}-own"}, to("observation")],
        },
    )


TYPES: Mapping[str, str] = {
    "patient": "Patient", "observation": "Observation", "part": "Observation",
    "condition": "Condition", "encounter": "Encounter", "binary": "Binary", "document": "DocumentReference",
    "list": "List", "group": "Group", "communication": "Communication", "composition": "Composition",
    "report": "DiagnosticReport", "medication": "MedicationRequest", "allergy": "AllergyIntolerance",
    "device": "Device", "questionnaire": "QuestionnaireResponse", "task": "Task", "appointment": "Appointment",
    "service": "ServiceRequest", "procedure": "Procedure", "provenance": "Provenance", "media": "Media",
    "basic": "Basic", "specimen": "Specimen", "imaging": "ImagingStudy", "subscription": "Subscription",
}  # fmt: skip
"""By name, the type of the resource."""
