"""No patient data in the log: a server is used in many ways, rightly and wrongly, and its log has no word of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.dicom import ct, uid
from tests.support.serve import Served, serving, wait_until
from tests.support.stow import HEADERS, body

CANARY = "Zanzibarova"
"""Stands in everything that is sent, and nowhere else."""
PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": CANARY, "given": ["Q"]}],
    "telecom": [{"system": "email", "value": f"{CANARY}@example.org"}],
    "identifier": [{"system": "urn:x", "value": f"{CANARY}-1"}],
}
JSON = {"Content-Type": "application/fhir+json"}


def use(client: httpx.Client) -> list[int]:
    """Requests of every kind with the canary in them; the statuses of the answers."""
    made = client.post("/fhir/Patient", json=PATIENT, headers=JSON)
    id_ = made.json()["id"]
    broken = f'{{"resourceType": "Patient", "name": [{{"family": "{CANARY}"}}'
    image = ct(PatientName=f"{CANARY}^Q", PatientID=f"{CANARY}-1", SOPInstanceUID=uid(9, 9, 9))
    answers = [
        made,
        client.get(f"/fhir/Patient/{id_}"),
        client.get(f"/fhir/Patient?family={CANARY}&name:exact={CANARY}"),
        client.get(f"/fhir/Patient?{CANARY}={CANARY}", headers={"Prefer": "handling=strict"}),
        client.get(f"/fhir/Patient?birthdate={CANARY}"),
        client.get(f"/fhir/Observation?subject:Patient.name={CANARY}"),
        client.get(f"/fhir/Patient/{CANARY}"),
        client.get(f"/fhir/{CANARY}"),
        client.put(f"/fhir/Patient/{CANARY}-2", json=PATIENT | {"id": f"{CANARY}-2"}, headers=JSON),
        client.post("/fhir/Patient", content=broken, headers=JSON),
        client.post("/fhir/Patient", content=broken.encode("utf-16"), headers=JSON),
        client.post("/fhir/Patient", json=PATIENT | {"birthDate": CANARY, "gender": CANARY}, headers=JSON),
        client.post("/fhir/Patient", json=PATIENT | {"birthDate": "\x00"}, headers=JSON),
        client.patch(
            f"/fhir/Patient/{id_}",
            json=[{"op": "test", "path": "/x", "value": CANARY}],
            headers={"Content-Type": "application/json-patch+json"},
        ),
        client.post("/fhir", json={"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": PATIENT}]}),
        client.get(f"/fhir/Patient/{id_}/$everything"),
        client.post("/fhir/$graphql", json={"query": f'{{ Patient(id: "{CANARY}") {{ id }} }}'}),
        client.get(f"/dicomweb/studies?PatientName={CANARY}*"),
        client.get(f"/dicomweb/studies/{CANARY}"),
        client.post("/dicomweb/studies", content=body([image]), headers=HEADERS),
        client.post("/dicomweb/studies", content=body([CANARY.encode()]), headers=HEADERS),
        client.post("/account/login", data={"username": CANARY, "password": CANARY}),
        client.post("/oauth/token", data={"grant_type": "password", "username": CANARY, "password": CANARY}),
        client.get("/fhir/Patient", headers={"Authorization": f"Bearer {CANARY}"}),
        client.get("/fhir/Patient", headers={"X-Request-Id": f"{CANARY} {CANARY}"}),
    ]
    return [answer.status_code for answer in answers]


@pytest.fixture(scope="module")
def server(set_up: Callable[[str], Path]) -> Iterator[Served]:
    """A server that logs all it can, and takes every statement for a slow one."""
    with serving(set_up("canaries"), "--workers", "1", log_level="debug", slow_statement_ms=1) as running:
        yield running


def test_no_patient_data_in_the_log(server: Served) -> None:
    """After a busy run, much of which is refused, the log names nobody, and tells of no error of the server's own."""
    token = server.token("system/*.cruds")
    with server.client(token) as client, ThreadPoolExecutor(4) as callers:
        statuses = [status for done in callers.map(lambda _: use(client), range(4)) for status in done]
    assert {201, 200, 400, 404, 401} <= set(statuses)
    assert max(statuses) < 500
    wait_until(lambda: "plan of a slow statement" in server.log.read_text(errors="replace"), "a plan")
    log = server.log.read_text(errors="replace")
    assert CANARY.lower() not in log.lower()
    assert "unexpected error" not in log
