"""Search over a real socket: every level, both methods, what is ignored, refused and linked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from healix_fhir.model.json import encode
from tests.support.live_server import LiveServer, live_server
from tests.support.resources import observation, patient

FHIR = {"Content-Type": "application/fhir+json"}
ALL = "system/*.cruds"


@pytest.fixture
def filled(server: LiveServer) -> LiveServer:
    """Two patients with an Observation each."""
    with server.client(ALL) as client:
        for id_ in ("p", "q"):
            client.put(f"/fhir/Patient/{id_}", content=encode(patient(id=id_)), headers=FHIR)
            body = encode(observation(f"Patient/{id_}", id=f"o-{id_}"))
            client.put(f"/fhir/Observation/o-{id_}", content=body, headers=FHIR)
    return server


def _found(bundle: dict[str, Any]) -> list[str]:
    entries = [entry for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]
    return sorted(f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in entries)


LEVELS = {
    "/fhir/Observation": ["Observation/o-p", "Observation/o-q"],
    "/fhir/Patient/p/Observation": ["Observation/o-p"],
    "/fhir/Patient/p/*": ["Observation/o-p", "Patient/p"],
    "/fhir": ["Observation/o-p", "Observation/o-q", "Patient/p", "Patient/q"],
}


@pytest.mark.spec("FHIR R4 http.html#search")
@pytest.mark.parametrize("path", LEVELS)
def test_every_level_is_searched_by_get_and_by_post(filled: LiveServer, path: str) -> None:
    """The same matches, total and links; the next link of either leads on by GET."""
    with filled.client(ALL) as client:
        get = client.get(path, params={"_total": "accurate"})
        post = client.post(f"{path}/_search", data={"_total": "accurate"})
        assert (get.status_code, post.status_code) == (200, 200), get.text + post.text
        assert _found(get.json()) == _found(post.json()) == LEVELS[path]
        assert get.json()["link"] == [{"relation": "self", "url": f"{filled.url}{path}?_total=accurate"}]
        seen: list[str] = []
        url: str | None = f"{path}?_count=1"
        while url is not None:
            page = client.get(url).json()
            seen += _found(page)
            url = {link["relation"]: link["url"] for link in page["link"]}.get("next")
        assert sorted(seen) == LEVELS[path]


def test_all_of_a_compartment_is_searched_by_post_without_a_type(filled: LiveServer) -> None:
    """`POST [base]/Patient/p/_search` is `*`."""
    with filled.client(ALL) as client:
        answer = client.post("/fhir/Patient/p/_search", data={"_type": "Patient"})
        assert _found(answer.json()) == ["Patient/p"]


@pytest.mark.parametrize("path", ["/fhir", "/fhir/Patient/p/*", "/fhir/Patient/q/Observation", "/fhir/Observation"])
def test_searches_show_what_the_token_opens(filled: LiveServer, path: str) -> None:
    """One's own record and nothing of another's; without a search scope or a token, a refusal."""
    with filled.client("patient/*.rs", patient="p") as client:
        answer = client.get(f"{path}?_total=accurate").json()
        assert _found(answer) == [one for one in LEVELS.get(path, []) if one.endswith("p")]
        assert answer["total"] == len(_found(answer))
    with filled.client("system/*.cru") as client:
        assert client.get(path).status_code == 403
    with filled.client() as client:
        assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir/Foo/1/Observation", 404),
        ("/fhir/Patient/p/Foo", 404),
        ("/fhir/Group/1/Observation", 404),
        ("/fhir?_type=Foo", 400),
        ("/fhir/Observation?subject:Foo.name=x", 400),
        ("/fhir/Observation?status:foo=x", 400),
        (f"/fhir/Observation?code={','.join(map(str, range(10_000)))}", 400),
        ("/fhir/Location?" + "partof." * 50 + "name=x", 400),
        ("/fhir/Observation?" + "&".join(["_include=Observation:subject"] * 30), 400),
        ("/fhir/Observation?_sort=" + ",".join(["status"] * 50), 400),
        ("/fhir/Observation?_query=x", 400),
        ("/fhir/Observation?_count=1000000000", 200),
    ],
)
def test_what_is_too_much_or_unknown_is_refused_with_a_reason(filled: LiveServer, path: str, status: int) -> None:
    """Limits and mistakes answer with an OperationOutcome that says which parameter, never with a failure."""
    with filled.client(ALL) as client:
        answer = client.get(path)
        assert answer.status_code in (status, 414), answer.text
        assert answer.json()["resourceType"] == ("Bundle" if status == 200 else "OperationOutcome")


@pytest.mark.spec("FHIR R4 search.html#contained")
@pytest.mark.spec("FHIR R4 search.html#content")
def test_contained_resources_have_an_address_and_words_are_found_at_once(server: LiveServer) -> None:
    """The container's with a fragment; a container has its own. What was just written is found by its words."""
    clinic = {"resourceType": "Organization", "id": "c", "name": "Wayside clinic"}
    body = patient(id="p", contained=[clinic], managingOrganization={"reference": "#c"})
    with server.client(ALL) as client:
        assert client.put("/fhir/Patient/p", content=encode(body), headers=FHIR).status_code == 201
        found = {
            returned: client.get(f"/fhir/Organization?name=wayside&_contained=true&_containedType={returned}").json()
            for returned in ("contained", "container")
        }
        by_words = client.get("/fhir/Patient", params={"_content": '"wayside clinic" -hospital'}).json()
    entries = {returned: bundle["entry"][0] for returned, bundle in found.items()}
    assert entries["contained"]["fullUrl"] == f"{server.url}/fhir/Patient/p#c"
    assert entries["contained"]["resource"] == clinic
    assert entries["container"]["fullUrl"] == f"{server.url}/fhir/Patient/p"
    assert [entry["search"] for entry in entries.values()] == [{"mode": "match"}] * 2
    assert _found(by_words) == ["Patient/p"]
    for scope, patient_id in (("patient/*.rs", "q"), ("patient/Organization.rs", "p")):
        with server.client(scope, patient=patient_id) as client:
            assert "entry" not in client.get("/fhir/Organization?name=wayside&_contained=true").json()
    with server.client("patient/Patient.rs", patient="p") as client:
        assert client.get("/fhir/Organization?name=wayside&_contained=true").status_code == 403
    with server.client() as client:
        assert client.get("/fhir/Organization?name=wayside&_contained=true").status_code == 401


@pytest.mark.spec("FHIR R4 search.html#errors")
def test_what_was_ignored_is_told_or_refused(filled: LiveServer) -> None:
    """Lenient by default, with an outcome entry that names each ignored parameter; strict when asked."""
    with filled.client(ALL) as client:
        page = client.get("/fhir/Patient?nonsense=1&other=2&_count=1").json()
        (entry,) = [one for one in page["entry"] if one["search"]["mode"] == "outcome"]
        told = [issue["diagnostics"] for issue in entry["resource"]["issue"]]
        assert ["nonsense" in told[0], "other" in told[1], len(told)] == [True, True, 2]
        links = {link["relation"]: link["url"] for link in page["link"]}
        assert links["self"] == f"{filled.url}/fhir/Patient?_count=1"
        strict = client.get("/fhir/Patient?nonsense=1", headers={"Prefer": "handling=strict"})
        assert (strict.status_code, "nonsense" in strict.text) == (400, True)


def test_a_search_that_takes_too_long_is_stopped_and_answered(database_url: str, tmp_path: Path) -> None:
    """It ends in 503 that says so, in the database too, and the worker serves on."""
    with live_server(database_url, tmp_path, search_seconds=1) as server, server.client(ALL) as client:
        client.put("/fhir/Patient/p", content=encode(patient(id="p")), headers=FHIR)
        with psycopg.connect(database_url) as other:
            other.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
            for path in ("/fhir/Patient?family=x", "/fhir", "/fhir/Patient/p/*"):
                answer = client.get(path)
                assert (answer.status_code, answer.json()["issue"][0]["code"]) == (503, "timeout")
                assert "1 seconds" in answer.text
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            assert other.execute(waiting).fetchone() == (0,)
        assert _found(client.get("/fhir/Patient").json()) == ["Patient/p"]


def test_the_database_stops_what_nobody_waits_for(database_url: str, tmp_path: Path) -> None:
    """A statement of any request has its limit in the database itself."""
    with live_server(database_url, tmp_path, statement_seconds=1) as server, server.client(ALL) as client:
        client.put("/fhir/Patient/p", content=encode(patient(id="p")), headers=FHIR)
        with psycopg.connect(database_url) as other:
            other.execute("LOCK TABLE resource IN ACCESS EXCLUSIVE MODE")
            for path in ("/fhir/Patient/p", "/fhir/Patient"):
                answer = client.get(path)
                assert (answer.status_code, answer.json()["issue"][0]["code"]) == (503, "timeout")
        assert client.get("/fhir/Patient/p").status_code == 200


@pytest.mark.parametrize(
    "path", ["/fhir/Observation?subject:Patient.family=byron&code:not=x", "/fhir", "/fhir/Patient/p/*"]
)
def test_a_search_explains_itself_to_who_sees_everything(filled: LiveServer, path: str) -> None:
    """Conditions, plan, statement, values and the database's plan, instead of results; for system scopes only."""
    address = f"{path}{'&' if '?' in path else '?'}_explain=true"
    with filled.client(ALL) as client:
        (entry,) = client.get(address).json()["entry"]
        assert entry["search"]["mode"] == "outcome"
        parts = [issue["diagnostics"].partition(":")[0] for issue in entry["resource"]["issue"]]
        assert parts == ["conditions", "plan", "statement", "values", "PostgreSQL"]
        assert "Scan" in entry["resource"]["issue"][-1]["diagnostics"]
        assert _found(client.get(address.replace("true", "false")).json())
        assert client.get(address.replace("true", "maybe")).status_code == 400
    for scope, owner in (("patient/*.rs", {"patient": "p"}), ("system/Condition.rs", {})):
        with filled.client(scope, **owner) as client:
            answer = client.get(address)
            assert (answer.status_code, "SELECT" in answer.text) == (403, False)
    with filled.client("system/Observation.rs patient/Patient.rs", patient="p") as client:
        answer = client.get("/fhir/Observation?subject:Patient.family=byron&_explain=true")
        assert (answer.status_code, "SELECT" in answer.text) == (403, False)
