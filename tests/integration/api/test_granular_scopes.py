"""Scopes with a query over a real socket: what the query does not find is not there, on every path."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.json import encode
from tests.support.live_server import LiveServer
from tests.support.resources import TERMINOLOGY, encounter, observation, patient

FHIR = {"Content-Type": "application/fhir+json"}
SPEC = (
    "smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters"
)
CATEGORY = f"{TERMINOLOGY}/observation-category"
LABS = f"patient/Observation.cruds?category={CATEGORY}|laboratory"
OTHERS = "patient/Patient.rs patient/Encounter.rs"
CANARY = "canary-7f3a"


def coded(category: str, **elements: Any) -> dict[str, Any]:
    """An Observation of p1 with a category; it names the canary unless it is of the laboratory."""
    note = "in sight" if category == "laboratory" else CANARY
    return observation(
        elements.pop("subject", "Patient/p1"),
        category=[{"coding": [{"system": CATEGORY, "code": category}]}],
        code={"text": note, "coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        encounter={"reference": f"Encounter/of-{category}"},
        **elements,
    )


def put(client: httpx.Client, resource: dict[str, Any]) -> httpx.Response:
    """Store a resource under its own id."""
    return client.put(f"/fhir/{resource['resourceType']}/{resource['id']}", content=encode(resource), headers=FHIR)


@pytest.fixture
def filled(server: LiveServer) -> LiveServer:
    """p1 with a laboratory result `lab`, a vital sign `vital` and `moved`, which was one and is the other now."""
    with server.client("system/*.cruds") as client:
        for id_ in ("p1", "p2"):
            put(client, patient(id=id_))
        for category in ("laboratory", "vital-signs"):
            put(client, encounter("Patient/p1", id=f"of-{category}"))
        put(client, coded("laboratory", id="lab"))
        put(client, coded("vital-signs", id="vital"))
        put(client, coded("vital-signs", id="moved"))
        put(client, coded("laboratory", id="moved"))
        put(client, coded("laboratory", id="left"))
        put(client, coded("vital-signs", id="left"))
        put(client, coded("laboratory", id="gone"))
        client.delete("/fhir/Observation/gone")
        put(client, coded("laboratory", id="other", subject="Patient/p2"))
    return server


def app(server: LiveServer, scope: str = f"{LABS} {OTHERS}") -> httpx.Client:
    """An app of p1."""
    return server.client(scope, patient="p1")


@pytest.mark.spec(SPEC)
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("Observation", {"lab", "moved"}),
        ("Observation?patient=p1", {"lab", "moved"}),
        ("Observation?code=718-7", {"lab", "moved"}),
        ("Observation?code=718-7&_sort=_id", {"lab", "moved"}),
        ("Observation?_id=lab,vital,left", {"lab"}),
        ("Observation?category=vital-signs", set()),
        ("Observation?category:not=laboratory", set()),
        ("Observation?_sort=-_lastUpdated&_total=accurate", {"lab", "moved"}),
        ("Observation?encounter.subject=Patient/p1", {"lab", "moved"}),
        ("Observation?_filter=category eq vital-signs or status eq final", {"lab", "moved"}),
        ("Encounter?_has:Observation:encounter:code=718-7", {"of-laboratory"}),
        ("Encounter?_id=of-vital-signs&_revinclude=Observation:encounter", {"of-vital-signs"}),
        ("Encounter?_id=of-laboratory&_revinclude=Observation:encounter", {"of-laboratory", "lab", "moved"}),
        ("Patient/p1/Observation", {"lab", "moved"}),
        ("Patient/p1/*?_type=Observation", {"lab", "moved"}),
        ("Encounter/of-vital-signs/Observation", set()),
        ("?_type=Observation,Encounter", {"lab", "moved", "of-laboratory", "of-vital-signs"}),
        ("Observation?_contained=both&code=718-7", {"lab", "moved"}),
        ("Observation/_history", {"lab", "moved"}),
        ("Observation/moved/_history", {"moved"}),
    ],
)
def test_only_what_the_query_finds_is_shown(filled: LiveServer, url: str, shown: set[str]) -> None:
    """Searches, chains, includes, compartments and histories show what the query finds, and count nothing else."""
    with app(filled) as client:
        answer = client.get(f"/fhir/{url}")
        assert answer.status_code == 200, answer.text
        assert CANARY not in answer.text
        entries = [one["resource"] for one in answer.json().get("entry", []) if one["resource"]["id"] in KNOWN]
        assert {one["id"] for one in entries} == shown
        assert answer.json().get("total", len(shown)) <= len(shown)


KNOWN = {"lab", "vital", "moved", "left", "gone", "other", "of-laboratory", "of-vital-signs"}


@pytest.mark.spec(SPEC)
@pytest.mark.parametrize("id_", ["vital", "left", "gone", "other"])
@pytest.mark.parametrize("suffix", ["", "/_history", "/_history/1"])
def test_what_the_query_does_not_find_answers_like_nothing(filled: LiveServer, id_: str, suffix: str) -> None:
    """Read, history and version of what is out of scope answer as for an id that does not exist."""
    with app(filled) as client:
        unseen, missing = client.get(f"/fhir/Observation/{id_}{suffix}"), client.get(f"/fhir/Observation/none{suffix}")
    assert unseen.status_code == missing.status_code == 404
    assert unseen.text.replace(f"Observation/{id_}", "Observation/none") == missing.text


@pytest.mark.spec(SPEC)
def test_versions_are_judged_one_by_one(filled: LiveServer) -> None:
    """Of a resource in scope, a version of which the query did not hold is not shown, nor counted."""
    with app(filled) as client:
        assert client.get("/fhir/Observation/moved/_history/2").status_code == 200
        unseen, missing = (client.get(f"/fhir/Observation/moved/_history/{n}") for n in (1, 9))
        history = client.get("/fhir/Observation/moved/_history").json()
    assert unseen.status_code == missing.status_code == 404
    assert unseen.text.replace("version 1", "version 9") == missing.text
    assert [one["response"]["etag"] for one in history["entry"]] == ['W/"2"']
    assert "total" not in history


@pytest.mark.spec(SPEC)
def test_writes_stay_within_the_query(filled: LiveServer) -> None:
    """The old and the new state must both be in scope, whatever the interaction."""
    with app(filled) as client:
        made = client.post("/fhir/Observation", content=encode(coded("laboratory")), headers=FHIR)
        assert made.status_code == 201
        refused = client.post("/fhir/Observation", content=encode(coded("vital-signs")), headers=FHIR)
        assert refused.status_code == 403
        assert put(client, coded("laboratory", id="lab", status="amended")).status_code == 200
        assert put(client, coded("vital-signs", id="lab")).status_code == 403
        for id_ in ("vital", "left", "none", "gone"):
            assert put(client, coded("laboratory", id=id_)).status_code == 403
        operations = [{"op": "replace", "path": "/category/0/coding/0/code", "value": "vital-signs"}]
        patch = {"content": json.dumps(operations), "headers": {"Content-Type": "application/json-patch+json"}}
        assert client.patch("/fhir/Observation/lab", **patch).status_code == 403  # type: ignore[arg-type]
        assert client.patch("/fhir/Observation/vital", **patch).status_code == 404  # type: ignore[arg-type]
        for id_ in ("vital", "left", "none"):
            assert client.delete(f"/fhir/Observation/{id_}").status_code == 204
        assert client.delete("/fhir/Observation?_id=vital").status_code == 204
        held = client.post(
            "/fhir/Observation", content=encode(coded("laboratory")), headers={**FHIR, "If-None-Exist": "_id=vital"}
        )
        assert held.status_code == 201
    with filled.client("system/*.rs") as all_:
        assert all_.get("/fhir/Observation/vital").status_code == 200
        lab = all_.get("/fhir/Observation/lab").json()
    assert (lab["status"], lab["category"][0]["coding"][0]["code"]) == ("amended", "laboratory")


@pytest.mark.spec(SPEC)
def test_several_scopes_add_up(filled: LiveServer) -> None:
    """Queries of several scopes of a type are alternatives; one without a query opens the type whole."""
    with app(filled, f"{LABS} patient/Observation.rs?category=vital-signs&_id=left") as client:
        found = client.get("/fhir/Observation").json()
        assert {one["resource"]["id"] for one in found["entry"]} == {"lab", "moved", "left"}
    with app(filled, f"{LABS} patient/*.rs") as client:
        assert client.get("/fhir/Observation?_summary=count").json()["total"] == 4


def test_the_trail_has_no_queries(server: LiveServer) -> None:
    """A scope on AuditEvent cannot have a query."""
    with pytest.raises(HealixError, match="AuditEvent cannot have a query"):
        server.token("patient/AuditEvent.rs?action=R", patient="p1")
