"""Conditional interactions and patches over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from healix_fhir.model.json import encode
from tests.support.live_server import LiveServer, live_server
from tests.support.resources import observation, patient

FHIR = {"Content-Type": "application/fhir+json"}
PATCH = {"Content-Type": "application/json-patch+json"}
MRN = "urn:oid:1.2.36"
DEACTIVATE = encode([{"op": "replace", "path": "/active", "value": False}])


def person(value: str, **elements: Any) -> bytes:
    """A patient with an identifier."""
    return encode(patient(identifier=[{"system": MRN, "value": value}], **elements))


@pytest.fixture
def several(database_url: str, tmp_path: Path) -> Iterator[LiveServer]:
    """A server that deletes several."""
    with live_server(database_url, tmp_path, conditional_delete="multiple") as running:
        yield running


@pytest.mark.spec("FHIR R4 http.html#ccreate")
def test_fifty_clients_at_once_make_one_resource(server: LiveServer) -> None:
    """Fifty connections send the same conditional create; one 201, forty-nine 200, all with one Location."""
    with server.client("system/*.cruds") as client:

        def create(_: int) -> httpx.Response:
            return client.post(
                "/fhir/Patient", content=person("1"), headers=FHIR | {"If-None-Exist": f"identifier={MRN}|1"}
            )

        with ThreadPoolExecutor(50) as callers:
            answers = list(callers.map(create, range(50)))
        assert sorted(answer.status_code for answer in answers) == [200] * 49 + [201]
        assert len({answer.headers["location"] for answer in answers}) == 1
        assert client.get("/fhir/Patient?_summary=count").json()["total"] == 1


@pytest.mark.spec("FHIR R4 http.html#ccreate")
@pytest.mark.parametrize(
    ("query", "status"), [("identifier=x", 400), ("_format=json&_id=1", 400), ("_format=json", 201)]
)
def test_a_condition_in_the_url_of_a_create(server: LiveServer, query: str, status: int) -> None:
    """A create with a search in its URL is refused: the condition of a create is a header."""
    with server.client("system/*.cruds") as client:
        answer = client.post(f"/fhir/Patient?{query}", content=person("1"), headers=FHIR)
        assert answer.status_code == status
        assert ("If-None-Exist" in answer.text) == (status == 400)


@pytest.mark.spec("FHIR R4 http.html#cond-update")
def test_a_record_lives_by_its_identifier(server: LiveServer) -> None:
    """Without ever naming an id: update creates and updates, patch patches, delete deletes, each with its status."""
    where = f"/fhir/Patient?identifier={MRN}|7"
    with server.client("system/*.cruds") as client:
        made = client.put(where, content=person("7"), headers=FHIR)
        assert (made.status_code, made.headers["etag"]) == (201, 'W/"1"')
        again = client.put(where, content=person("7", active=False), headers=FHIR | {"If-Match": 'W/"1"'})
        assert (again.status_code, again.headers["content-location"]) == (
            200, made.headers["location"].replace("_history/1", "_history/2"),
        )  # fmt: skip
        assert client.put(where, content=person("7"), headers=FHIR | {"If-None-Match": "*"}).status_code == 412
        patched = client.patch(where, content=b'[{"op":"add","path":"/active","value":true}]', headers=PATCH)
        assert (patched.status_code, patched.json()["active"], patched.headers["etag"]) == (200, True, 'W/"3"')
        assert client.delete(where, headers={"If-Match": 'W/"2"'}).status_code == 412
        assert client.delete(where).status_code == 204
        assert client.delete(where).status_code == 204
        assert client.patch(where, content=DEACTIVATE, headers=PATCH).status_code == 404
        id_ = made.json()["id"]
        gone = client.get(f"/fhir/Patient/{id_}")
        assert (gone.status_code, gone.headers["etag"]) == (410, 'W/"4"')
        assert client.patch(f"/fhir/Patient/{id_}", content=DEACTIVATE, headers=PATCH).status_code == 410
        revived = client.put(f"/fhir/Patient/{id_}", content=person("7", id=id_), headers=FHIR)
        assert (revived.status_code, revived.headers["etag"]) == (201, 'W/"5"')


@pytest.mark.spec("FHIR R4 http.html#delete")
def test_a_conditional_delete_takes_as_many_as_the_setting_says(server: LiveServer, several: LiveServer) -> None:
    """One server refuses two matches, the other deletes both; each says so in its statement."""
    where = f"/fhir/Patient?identifier={MRN}|2"
    for running, promised, status in ((server, "single", 412), (several, "multiple", 204)):
        with running.client("system/*.cruds") as client:
            for _ in range(2):
                client.post("/fhir/Patient", content=person("2"), headers=FHIR)
            told = client.get("/fhir/metadata").json()["rest"][0]["resource"][0]["conditionalDelete"]
            assert told == promised
            assert client.delete(where).status_code == status
            left = client.get(f"{where}&_summary=count").json()["total"]
            assert left == (2 if running is server else 0)


CALLS = [
    ("POST", "/fhir/Patient", person("1"), FHIR | {"If-None-Exist": f"identifier={MRN}|1"}),
    ("PUT", f"/fhir/Patient?identifier={MRN}|1", person("1"), FHIR),
    ("PATCH", f"/fhir/Patient?identifier={MRN}|1", DEACTIVATE, PATCH),
    ("PATCH", "/fhir/Patient/p1", DEACTIVATE, PATCH),
    ("DELETE", f"/fhir/Patient?identifier={MRN}|1", b"", {}),
]


@pytest.mark.parametrize(("method", "url", "body", "headers"), CALLS)
def test_no_token_and_wrong_scope(
    server: LiveServer, method: str, url: str, body: bytes, headers: dict[str, str]
) -> None:
    """Without a token 401, without the scope 403; nothing happens."""
    with server.client("system/*.cruds") as client:
        client.put("/fhir/Patient/p1", content=person("1", id="p1"), headers=FHIR)
        with server.client() as stranger:
            assert stranger.request(method, url, content=body, headers=headers).status_code == 401
        with server.client("system/Observation.cruds") as other:
            assert other.request(method, url, content=body, headers=headers).status_code == 403
        assert client.get("/fhir/Patient/p1").headers["etag"] == 'W/"1"'


def test_another_patients_record_is_neither_matched_nor_patched(server: LiveServer) -> None:
    """What a patient's app may not see answers like what does not exist, for each conditional verb and for patch."""
    with server.client("system/*.cruds") as client:
        for id_ in ("p1", "p2"):
            client.put(f"/fhir/Patient/{id_}", content=person(id_, id=id_), headers=FHIR)
        client.put("/fhir/Observation/o", content=encode(observation("Patient/p2", id="o")), headers=FHIR)
        with server.client("patient/*.cruds", patient="p1") as app:
            step = encode([{"op": "replace", "path": "/status", "value": "amended"}])
            hidden = app.patch("/fhir/Observation/o", content=step, headers=PATCH)
            absent = app.patch("/fhir/Observation/x", content=step, headers=PATCH)
            assert (hidden.status_code, hidden.text.replace("/o", "/x")) == (404, absent.text)
            assert app.patch("/fhir/Observation?_id=o", content=step, headers=PATCH).status_code == 404
            assert app.delete("/fhir/Observation?_id=o").status_code == 204
            mine = encode(observation("Patient/p1", id="o"))
            taken = app.put("/fhir/Observation?_id=o", content=mine, headers=FHIR)
            free = app.put("/fhir/Observation?_id=x", content=mine.replace(b'"id":"o"', b'"id":"x"'), headers=FHIR)
            assert (taken.status_code, taken.text.replace("/o", "/x")) == (403, free.text)
        assert client.get("/fhir/Observation/o").headers["etag"] == 'W/"1"'
