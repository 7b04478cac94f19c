"""A ward of three patients for tests of bulk data: who is in which group, and what is about whom."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from healix_fhir.model.json import encode
from tests.support.bulk import FHIR

Json = dict[str, Any]
LOINC = "http://loinc.org"


def to(reference: str) -> Json:
    """A Reference."""
    return {"reference": reference}


def observation(id_: str, patient: str, code: str, **elements: Any) -> Json:
    """An Observation of a patient."""
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": to(f"Patient/{patient}"),
        **elements,
    }


def provenance(id_: str, target: str, recorded: str) -> Json:
    """A Provenance about a resource."""
    return {
        "resourceType": "Provenance",
        "id": id_,
        "target": [to(target)],
        "recorded": recorded,
        "agent": [{"who": to("Practitioner/gp")}],
    }


WARD: tuple[Json, ...] = (
    {"resourceType": "Practitioner", "id": "gp"},
    {"resourceType": "Organization", "id": "house", "name": "House"},
    {"resourceType": "Patient", "id": "ann", "gender": "female", "birthDate": "1970-01-01",
     "generalPractitioner": [to("Practitioner/gp")]},
    {"resourceType": "Patient", "id": "bob", "gender": "male"},
    {"resourceType": "Patient", "id": "cis", "gender": "other"},
    observation("ann-pulse", "ann", "8867-4", effectiveDateTime="2026-01-01", valueString="äöü\n\u2028x"),
    observation("ann-weight", "ann", "29463-7"),
    observation("bob-pulse", "bob", "8867-4"),
    observation("cis-pulse", "cis", "8867-4", status="preliminary"),
    observation("both", "ann", "1", performer=[to("Patient/bob")]),
    {"resourceType": "Binary", "id": "letter", "contentType": "text/plain", "securityContext": to("Patient/ann"),
     "data": base64.b64encode(b"letter").decode()},
    {"resourceType": "Binary", "id": "form", "contentType": "text/plain", "data": base64.b64encode(b"form").decode()},
    {"resourceType": "DocumentReference", "id": "ann-letter", "status": "current", "subject": to("Patient/ann"),
     "description": 'says "url":"Binary/letter" itself',
     "content": [{"attachment": {"contentType": "text/plain", "url": "Binary/letter"}}]},
    {"resourceType": "Group", "id": "pair", "type": "person", "actual": True,
     "member": [{"entity": to("Patient/ann")}, {"entity": to("Patient/bob")},
                {"entity": to("Patient/cis"), "inactive": True},
                {"entity": to("Practitioner/gp")},
                {"entity": to("Patient/cis"), "period": {"end": "2020-01-01"}}]},
    {"resourceType": "Group", "id": "nobody", "type": "person", "actual": True},
    {"resourceType": "Group", "id": "tall", "type": "person", "actual": False,
     "characteristic": [{"code": {"text": "tall"}, "valueBoolean": True, "exclude": False}]},
    provenance("old", "Observation/ann-pulse", "2026-01-01T00:00:00Z"),
    provenance("new", "Observation/ann-pulse", "2026-02-01T00:00:00Z"),
    provenance("of-cis", "Observation/cis-pulse", "2026-02-01T00:00:00Z"),
    provenance("of-house", "Organization/house", "2026-02-01T00:00:00Z"),
)  # fmt: skip


def put(client: httpx.Client, *resources: Json) -> None:
    """Store resources under their ids, in one transaction."""
    entries = [
        {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
        for one in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = client.post("/fhir", content=encode(bundle), headers=FHIR)
    assert answer.is_success, answer.text


def fill(client: httpx.Client) -> None:
    """Store the ward."""
    put(client, *WARD)
