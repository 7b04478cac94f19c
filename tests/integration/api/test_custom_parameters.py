"""SearchParameter resources over HTTP: who may write them, what is refused, what the capability statement tells."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row
from healix_fhir.search.reindex import reindexed
from healix_fhir.store import settling
from tests.support.live_server import LiveServer
from tests.support.parameters import search_parameter
from tests.support.resources import patient

PARAMETER = search_parameter("marital", "token", "Patient.maritalStatus", "Patient")


def told(client: httpx.Client, address: str) -> list[str]:
    """What the OperationOutcome of a search says."""
    bundle = client.get(address).json()
    return [
        issue["diagnostics"]
        for entry in bundle.get("entry", ())
        if entry["search"]["mode"] == "outcome"
        for issue in entry["resource"]["issue"]
    ]


def listed(client: httpx.Client) -> list[dict[str, Any]]:
    """The search parameters of Patient in the capability statement, with its date."""
    statement = client.get("/fhir/metadata").json()
    (resource,) = (one for one in statement["rest"][0]["resource"] if one["type"] == "Patient")
    return [one | {"date": statement["date"]} for one in resource["searchParam"] if one["name"] == "marital"]


@pytest.mark.spec("FHIR R4 searchparameter.html")
def test_from_definition_to_search(
    server: LiveServer, pool: ConnectionPool[Connection[Row]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored, told as not yet indexed, indexed, listed with its definition, found by, deleted and unknown."""
    monkeypatch.setattr(settling, "WHILE", 0.0)
    with server.client("system/*.cruds") as client:
        client.put("/fhir/Patient/p", json=patient(id="p"))
        assert client.put("/fhir/SearchParameter/marital", json=PARAMETER).status_code == 201
        until = time.monotonic() + 10
        while "defined, but not yet indexed" not in " ".join(told(client, "/fhir/Patient?marital=M")):
            assert time.monotonic() < until
        strict = client.get("/fhir/Patient?marital=M", headers={"Prefer": "handling=strict"})
        assert strict.status_code == 400
        assert "not yet indexed" in strict.text
        assert listed(client) == []
        with pool.connection() as connection:
            ((run,),) = connection.execute("SELECT id FROM reindexing WHERE state = 'waiting'").fetchall()
        for _ in reindexed(pool, run, (f"{server.url}/fhir",)):
            pass
        while not listed(client):
            assert time.monotonic() < until
        (shown,) = listed(client)
        assert (shown["definition"], shown["type"]) == (PARAMETER["url"], "token")
        assert shown["date"] > "2026-11-29"
        found = client.get("/fhir/Patient?marital=M", headers={"Prefer": "handling=strict"}).json()
        assert [entry["resource"]["id"] for entry in found["entry"]] == ["p"]
        client.delete("/fhir/SearchParameter/marital")
        while listed(client):
            assert time.monotonic() < until
        assert "no search parameter 'marital'" in told(client, "/fhir/Patient?marital=M")[0]


@pytest.mark.spec("FHIR R4 http.html#create")
@pytest.mark.parametrize("way", ["create", "update", "patch", "batch", "transaction"])
def test_what_cannot_be_used_is_refused_on_every_way(server: LiveServer, way: str) -> None:
    """With 422, the element and the reason; nothing is stored."""
    draft = PARAMETER | {"status": "draft", "code": "birthdate", "type": "date", "expression": "Patient.deceased"}
    bad = draft | {"status": "active"}
    with server.client("system/*.cruds") as client:
        client.put("/fhir/SearchParameter/marital", json=draft)
        if way == "create":
            answer = client.post("/fhir/SearchParameter", json=bad)
        elif way == "update":
            answer = client.put("/fhir/SearchParameter/marital", json=bad)
        elif way == "patch":
            steps = [{"op": "replace", "path": "/status", "value": "active"}]
            headers = {"Content-Type": "application/json-patch+json"}
            answer = client.patch("/fhir/SearchParameter/marital", json=steps, headers=headers)
        else:
            entry = {"resource": bad, "request": {"method": "PUT", "url": "SearchParameter/marital"}}
            answer = client.post("/fhir", json={"resourceType": "Bundle", "type": way, "entry": [entry]})
        if way == "batch":
            response = answer.json()["entry"][0]["response"]
            status, outcome = response["status"][:3], response["outcome"]
        else:
            status, outcome = str(answer.status_code), answer.json()
        assert status == "422"
        assert outcome["issue"][0]["expression"][0].endswith(".code")
        assert "of FHIR's own" in outcome["issue"][0]["diagnostics"]
        assert client.get("/fhir/SearchParameter/marital").json()["status"] == "draft"


@pytest.mark.spec("FHIR R4 resource-operation-validate.html")
def test_validate_tells_what_would_be_refused(server: LiveServer) -> None:
    """With the element and the reason; a draft is fine."""
    bad = PARAMETER | {"code": "birthdate"}
    with server.client("system/*.cruds") as client:
        for status, errors in (("active", [["SearchParameter.code"]]), ("draft", [])):
            outcome = client.post("/fhir/SearchParameter/$validate", json=bad | {"status": status}).json()
            assert [one["expression"] for one in outcome["issue"] if one["severity"] == "error"] == errors


@pytest.mark.parametrize("scope", ["patient/*.cruds", "system/*.rs", "system/Patient.cruds"])
def test_others_may_not_define_parameters(server: LiveServer, scope: str) -> None:
    """Only system scopes that open SearchParameter; all others are refused, and nothing is defined."""
    with server.client("system/*.cruds") as client:
        client.put("/fhir/Patient/p", json=patient(id="p"))
    with server.client(scope, patient="p" if scope.startswith("patient") else None) as client:
        assert client.post("/fhir/SearchParameter", json=PARAMETER).status_code == 403
        assert client.put("/fhir/SearchParameter/marital", json=PARAMETER).status_code == 403
    with server.client("system/*.cruds") as client:
        assert client.get("/fhir/SearchParameter/marital").status_code == 404


def test_it_needs_a_token(server: LiveServer) -> None:
    """Without a token nothing is defined."""
    assert httpx.post(f"{server.url}/fhir/SearchParameter", json=PARAMETER).status_code == 401
