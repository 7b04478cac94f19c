"""Small valid resources for tests, and the Synthea bundles where they are at hand.

The bundles are looked for in `HEALIX_TEST_DATA`, else in `shared/data` beside the repository; they are not part of it.
"""

from __future__ import annotations

import gzip
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from healix_fhir.model.json import decode

Json = dict[str, Any]

REPOSITORY = Path(__file__).parents[2]
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


def patient(**elements: Any) -> Json:
    """A patient with name, identifier, contact, address and narrative; `elements` replace or add."""
    return {
        "resourceType": "Patient",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Ada Byron</p></div>'},
        "identifier": [{"use": "usual", "system": "urn:oid:1.2.36.146.595.217.0.1", "value": "MRN-1"}],
        "active": True,
        "name": [{"use": "official", "family": "Byron", "given": ["Ada", "Augusta"]}],
        "telecom": [{"system": "phone", "value": "+44 20 7946 0000", "use": "home"}],
        "gender": "female",
        "birthDate": "1815-12-10",
        "address": [{"line": ["12 St James's Square"], "city": "London", "country": "GB"}],
        "maritalStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus", "code": "M"}]
        },
        "contact": [{"name": {"family": "King", "given": ["William"]}}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}, "preferred": True}],
        **elements,
    }


def observation(subject: str = "Patient/example", **elements: Any) -> Json:
    """A heart rate in the vital-signs profile; `elements` replace or add."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": f"{TERMINOLOGY}/observation-category", "code": "vital-signs"}]}],
        "code": {"coding": [{"system": LOINC, "code": "8867-4", "display": "Heart rate"}], "text": "Heart rate"},
        "subject": {"reference": subject},
        "encounter": {"reference": "Encounter/example"},
        "effectiveDateTime": "2024-05-06T07:08:09+02:00",
        "issued": "2024-05-06T07:08:09.123+02:00",
        "valueQuantity": {"value": 72, "unit": "beats/minute", "system": UCUM, "code": "/min"},
        **elements,
    }


def encounter(subject: str = "Patient/example", **elements: Any) -> Json:
    """A finished ambulatory visit; `elements` replace or add."""
    return {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": "AMB"},
        "subject": {"reference": subject},
        "period": {"start": "2024-05-06T07:00:00Z", "end": "2024-05-06T07:30:00Z"},
        **elements,
    }


def condition(subject: str = "Patient/example", **elements: Any) -> Json:
    """An active, confirmed problem; `elements` replace or add."""
    return {
        "resourceType": "Condition",
        "clinicalStatus": {"coding": [{"system": f"{TERMINOLOGY}/condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{TERMINOLOGY}/condition-ver-status", "code": "confirmed"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "38341003"}]},
        "subject": {"reference": subject},
        "onsetDateTime": "2023-01",
        **elements,
    }


def organization(**elements: Any) -> Json:
    """A clinic; `elements` replace or add."""
    return {"resourceType": "Organization", "active": True, "name": "Clinic at the Lake", **elements}


def practitioner(**elements: Any) -> Json:
    """A physician; `elements` replace or add."""
    return {"resourceType": "Practitioner", "active": True, "name": [{"family": "Blackwell"}], **elements}


def transaction(*resources: Json) -> Json:
    """A transaction Bundle that creates `resources`, each under the fullUrl `urn:uuid:00000000-…-<position>`."""
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:00000000-0000-4000-8000-{position:012d}",
                "resource": resource,
                "request": {"method": "POST", "url": resource["resourceType"]},
            }
            for position, resource in enumerate(resources)
        ],
    }


def shared_data(part: str) -> Path:
    """A folder or file of the developers' data; skips the test, by name of what is missing, where it is absent."""
    root = Path(os.environ.get("HEALIX_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    path = root / part
    if not path.exists():
        pytest.skip(f"the developers' data {part} is not at hand (HEALIX_TEST_DATA)")
    return path


@cache
def _bundle_lines(folder: Path) -> tuple[bytes, ...]:
    return tuple(
        line for path in sorted(folder.glob("*.ndjson.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()
    )


def synthea_bundles() -> tuple[bytes, ...]:
    """The 30 Synthea transaction bundles as JSON, one patient each; skips where they are absent."""
    return _bundle_lines(shared_data("fhir/synthea"))


def synthea_resources(type_name: str | None = None) -> list[Json]:
    """The resources of the Synthea bundles, of one type or of all; skips where they are absent."""
    return [
        entry["resource"]
        for line in synthea_bundles()
        for entry in decode(line)["entry"]
        if type_name in (None, entry["resource"]["resourceType"])
    ]


def composition(*entries: str, **elements: Any) -> Json:
    """A Composition of a patient."""
    return {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "Discharge"},
        "subject": {"reference": "Patient/p"},
        "date": "2024",
        "author": [{"reference": "Practitioner/d"}],
        "title": "Discharge",
        "section": [{"title": "All", "entry": [{"reference": one} for one in entries]}],
        **elements,
    }
