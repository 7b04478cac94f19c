"""$reindex over a real socket: who may call it, and the pattern of its answers."""

from __future__ import annotations

import httpx
import pytest

from tests.support.live_server import LiveServer


@pytest.mark.spec("FHIR R4 async.html")
def test_a_run_is_started_watched_and_ended(server: LiveServer) -> None:
    """202 with the address of its status; there 202 while it is under way, 202 when it is ended, then 200."""
    with server.client("system/*.cruds") as client:
        started = client.post("/fhir/$reindex")
        assert started.status_code == 202
        status = started.headers["content-location"].partition("/fhir/")[2]
        assert client.post("/fhir/$reindex").headers["content-location"] == started.headers["content-location"]
        watched = client.get(f"/fhir/{status}")
        assert (watched.status_code, watched.headers["x-progress"]) == (202, "waiting: 0 of 0 resources")
        assert client.delete(f"/fhir/{status}").status_code == 202
        ended = client.get(f"/fhir/{status}")
        assert ended.status_code == 200
        assert {"name": "state", "valueCode": "cancelled"} in ended.json()["parameter"]
        assert client.delete(f"/fhir/{status}").status_code == 404


@pytest.mark.parametrize("scope", ["system/*.rs", "system/Patient.cruds", "patient/*.cruds"])
def test_it_takes_a_token_that_may_change_everything(server: LiveServer, scope: str) -> None:
    """Every other token is refused, for each of the methods."""
    with server.client(scope, patient="p" if scope.startswith("patient") else None) as client:
        for answer in (
            client.post("/fhir/$reindex"),
            client.get("/fhir/$reindex?job=1"),
            client.delete("/fhir/$reindex?job=1"),
        ):
            assert answer.status_code == 403
            assert answer.json()["resourceType"] == "OperationOutcome"


def test_it_needs_a_token(server: LiveServer) -> None:
    """Without a token there is no answer."""
    assert httpx.post(f"{server.url}/fhir/$reindex").status_code == 401


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "$reindex", 400),
        ("GET", "$reindex?job=x", 400),
        ("GET", "$reindex?job=99999", 404),
        ("GET", "$reindex?job=1&job=2", 400),
        ("POST", "$reindex?job=1", 400),
        ("POST", "$reindex?type=Patient", 400),
        ("DELETE", "Patient/$validate", 405),
    ],
)
def test_a_wrong_call_is_refused(server: LiveServer, method: str, address: str, status: int) -> None:
    """With an OperationOutcome, and never as something else."""
    with server.client("system/*.cruds") as client:
        answer = client.request(method, f"/fhir/{address}")
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert answer.status_code == status
