"""Attacks by bulk exports and imports, whose jobs are done later.

Spec: HL7 Bulk Data Access 2.0.0 export.html
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.attacks.attack import Attack
from tests.support.attacks.records import parameters
from tests.support.attacks.writing import note

LATER = {"Prefer": "respond-async"}
EARLY = "apps of one patient are refused before it looks"
TOO_EARLY = "it is answered later only"
THEIRS = "jobs are their clients'; tests/integration/bulk/test_access.py"


def exporting() -> Iterator[Attack]:
    """Every address of bulk data."""
    typed = parameters(_type={"valueString": "Patient"})
    whose = parameters(patient={"valueReference": {"reference": "Patient/<patient>"}})
    since = parameters(_since={"valueInstant": "2026-01-01T00:00:00Z"})
    yield Attack("GET", "/fhir/Group/<group>/$export", headers=LATER, beside=EARLY)
    yield Attack("POST", "/fhir/Group/<group>/$export", typed, headers=LATER, beside=EARLY)
    yield Attack("POST", "/fhir/Patient/$export", whose, headers=LATER, beside=EARLY)
    yield Attack("GET", "/fhir/Patient/$export", beside=TOO_EARLY)
    yield Attack("GET", "/fhir/$export?_typeFilter=Observation?code=<code>", beside=TOO_EARLY)
    yield Attack("POST", "/fhir/$export", since, beside=TOO_EARLY)
    yield Attack("POST", "/fhir/$import", parameters(mode={"valueCode": "initial"}), beside=TOO_EARLY)
    yield Attack("POST", "/bulk/uploads", note(), beside=THEIRS)
    for method, path in (("GET", "none"), ("DELETE", "none"), ("GET", "none/Patient-1.ndjson")):
        yield Attack(method, f"/bulk/{path}", beside=THEIRS)
