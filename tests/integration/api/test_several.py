"""The first resource of a type that is in several patients' compartments, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from healix_fhir.model.json import encode
from smart_auth import several
from tests.support.live_server import LiveServer
from tests.support.resources import observation, patient

FHIR = {"Content-Type": "application/fhir+json"}
BOTH = observation("Patient/p1", id="both", performer=[{"reference": "Patient/p2"}], code={"coding": [{"code": "x"}]})
REPORT: dict[str, Any] = {
    "resourceType": "DiagnosticReport",
    "id": "report",
    "status": "final",
    "code": {"text": "of the second patient only"},
    "subject": {"reference": "Patient/p2"},
    "result": [{"reference": "Observation/both"}],
}
PATHS = {
    "Observation": "Observation/both",
    "Observation?code=x&_sort=_id": "Observation/both",
    "Observation?_id=both": "Observation/both",
    "Observation?performer=Patient/p2": "Observation/both",
    "Observation?subject=Patient/p1": "Observation/both",
    "Patient/p2/Observation": "Observation/both",
    "Patient/p2/*": "Observation/both",
    "?_type=Observation,DiagnosticReport": "Observation/both",
    "DiagnosticReport?result.code=x": "DiagnosticReport/report",
    "Patient?_has:Observation:performer:code=x": "Patient/p2",
    "DiagnosticReport?_include=DiagnosticReport:result": "Observation/both",
    "Patient?_revinclude=Observation:performer": "Observation/both",
    "Observation/_history": "Observation/both",
    "_history": "Observation/both",
}
"""Searches and histories, and what each finds of what the resource of two patients opens."""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has written nothing yet."""
    monkeypatch.setattr(several, "_written", frozenset())


@pytest.fixture
def apps(server: LiveServer) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A writer, and an app of the second patient whose token the server remembers; both patients have a record."""
    with server.client("system/*.cruds") as writer, server.client("patient/*.rs", patient="p2") as second:
        for resource in (patient(id="p1"), patient(id="p2"), REPORT):
            _put(writer, resource)
        assert second.get("/fhir/Patient/p2").status_code == 200
        yield writer, second


def _put(client: httpx.Client, resource: dict[str, Any]) -> None:
    url = f"/fhir/{resource['resourceType']}/{resource['id']}"
    client.put(url, content=encode(resource), headers=FHIR).raise_for_status()


def _found(client: httpx.Client, path: str) -> set[str]:
    answer = client.get(f"/fhir{path}" if path.startswith("?") else f"/fhir/{path}").raise_for_status().json()
    resources = [entry["resource"] for entry in answer.get("entry", [])]
    return {f"{one['resourceType']}/{one['id']}" for one in resources}


def _statuses(client: httpx.Client) -> set[int]:
    each = ("Observation/both", "Observation/both/_history", "Observation/both/_history/1")
    return {client.get(f"/fhir/{path}").status_code for path in each}


@pytest.mark.spec("FHIR R4 compartmentdefinition-patient.html")
@pytest.mark.parametrize("path", PATHS)
def test_the_second_patient_finds_it_at_once(apps: tuple[httpx.Client, httpx.Client], path: str) -> None:
    """The answer after the one to the write tells the second patient of it, on every path; the one before does not."""
    writer, second = apps
    assert PATHS[path] == "Patient/p2" or "both" not in str(_found(second, path))
    _put(writer, BOTH)
    assert PATHS[path] in _found(second, path)


@pytest.mark.spec("FHIR R4 compartmentdefinition-patient.html")
def test_the_second_patient_reads_it_at_once(apps: tuple[httpx.Client, httpx.Client]) -> None:
    """The resource, its history and its version are there for the second patient."""
    writer, second = apps
    assert _statuses(second) == {404}
    _put(writer, BOTH)
    assert _statuses(second) == {200}
