"""The verbs of the FHIR API over a real socket."""

from __future__ import annotations

import pytest

from healix_fhir.model.json import encode
from tests.support.live_server import LiveServer
from tests.support.resources import observation, patient

FHIR = {"Content-Type": "application/fhir+json"}


@pytest.mark.spec("http.html#create")
def test_created_resource_is_located_tagged_and_read_back_as_the_same_bytes(server: LiveServer) -> None:
    """A create answers 201 with Location, ETag and Last-Modified, and the Location reads back what was answered."""
    with server.client("system/*.cruds") as client:
        made = client.post("/fhir/Patient", content=encode(patient()), headers=FHIR)
        assert made.status_code == 201, made.text
        assert made.headers["etag"] == 'W/"1"'
        assert made.headers["content-type"] == "application/fhir+json; charset=utf-8"
        id_ = made.json()["id"]
        assert made.headers["location"] == f"{server.url}/fhir/Patient/{id_}/_history/1"
        read = client.get(f"/fhir/Patient/{id_}")
        assert (read.status_code, read.content) == (200, made.content)
        assert read.headers["last-modified"] == made.headers["last-modified"]
        assert client.get(made.headers["location"]).content == made.content


@pytest.mark.spec("http.html#update")
def test_a_resource_lives_through_update_conflict_history_and_delete(server: LiveServer) -> None:
    """Client id, version-aware update, history and delete, with the status that each has."""
    with server.client("system/*.cruds") as client:

        def put(name: str, **headers: str) -> int:
            body = encode(patient(id="p1", name=[{"family": name}]))
            return client.put("/fhir/Patient/p1", content=body, headers=FHIR | headers).status_code

        assert put("A") == 201
        assert put("B", **{"If-Match": 'W/"1"'}) == 200
        assert put("C", **{"If-Match": 'W/"1"'}) == 412
        assert client.get("/fhir/Patient/p1", headers={"If-None-Match": 'W/"2"'}).status_code == 304
        assert client.delete("/fhir/Patient/p1").status_code == 204
        assert client.get("/fhir/Patient/p1").status_code == 410
        history = client.get("/fhir/Patient/p1/_history").json()
        assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "PUT", "PUT"]
        assert client.get("/fhir/Patient/p1/_history/1").json()["name"] == [{"family": "A"}]


@pytest.mark.spec("http.html#search")
def test_pages_of_a_search_are_followed_by_their_links(server: LiveServer) -> None:
    """The next link leads, with the same token, through all matches once, by GET and after POST _search."""
    with server.client("system/*.cruds") as client:
        for number in range(5):
            client.put(f"/fhir/Patient/p{number}", content=encode(patient(id=f"p{number}")), headers=FHIR)
        form = {"family": "byron", "_count": "2"}
        for first in (client.get("/fhir/Patient", params=form), client.post("/fhir/Patient/_search", data=form)):
            seen: list[str] = []
            page = first.json()
            while True:
                seen += [entry["resource"]["id"] for entry in page["entry"]]
                links = {link["relation"]: link["url"] for link in page["link"]}
                if "next" not in links:
                    break
                page = client.get(links["next"]).json()
            assert sorted(seen) == [f"p{number}" for number in range(5)]


@pytest.mark.spec("http.html#transaction")
def test_a_transaction_links_its_entries(server: LiveServer) -> None:
    """References between entries become references between what was stored."""
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": patient(), "request": {"method": "POST", "url": "Patient"}},
            {
                "fullUrl": "urn:uuid:2",
                "resource": observation("urn:uuid:1"),
                "request": {"method": "POST", "url": "Observation"},
            },
        ],
    }
    with server.client("system/*.cruds") as client:
        answer = client.post("/fhir", content=encode(bundle), headers=FHIR)
        assert answer.status_code == 200, answer.text
        made, read = (entry["response"]["location"] for entry in answer.json()["entry"])
        patient_id = made.split("/Patient/")[1].split("/")[0]
        assert client.get(read).json()["subject"] == {"reference": f"Patient/{patient_id}"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"resourceType":"Patient","resourceType":"Patient"}', 400),
        (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', 400),
        (b'{"resourceType":"Observation"}', 400),
        (b'{"resourceType":"Patient","gender":5}', 400),
        (b'{"resourceType":"Patient","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400),
        (b"\xff\xfe", 400),
        (b'{"resourceType":"Patient","text":"' + b"x" * (2 << 20) + b'"}', 413),
    ],
)
def test_hostile_bodies_are_refused_and_nothing_is_stored(server: LiveServer, body: bytes, status: int) -> None:
    """Malformed, mistyped, bottomless and oversize bodies get an OperationOutcome, and leave nothing."""
    with server.client("system/*.cruds") as client:
        answer = client.post("/fhir/Patient", content=body, headers=FHIR)
        assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
        assert "entry" not in client.get("/fhir/Patient").json()


@pytest.mark.parametrize("path", ["/fhir/Nothing", "/fhir/Nothing/1", "/fhir/Patient/a_b", "/fhir/Nothing?x=1"])
def test_unknown_types_and_impossible_ids_are_not_found(server: LiveServer, path: str) -> None:
    """What cannot exist answers like what does not."""
    with server.client("system/*.cruds") as client:
        assert client.get(path).status_code == 404


def test_another_patients_record_is_as_good_as_not_there(server: LiveServer) -> None:
    """An app of one patient reads its own record, and gets for another's exactly what it gets for none."""
    with server.client("system/*.cruds") as client:
        for id_ in ("p1", "p2"):
            client.put(f"/fhir/Patient/{id_}", content=encode(patient(id=id_)), headers=FHIR)
    with server.client("patient/*.rs", patient="p1") as client:
        assert client.get("/fhir/Patient/p1").status_code == 200
        hidden, absent = client.get("/fhir/Patient/p2"), client.get("/fhir/Patient/p3")
        assert (hidden.status_code, hidden.text.replace("p2", "p3")) == (404, absent.text)
        assert client.get("/fhir/Patient/p2/_history").status_code == 404
        found = client.get("/fhir/Patient").json()["entry"]
        assert [entry["resource"]["id"] for entry in found] == ["p1"]
        assert client.put("/fhir/Patient/p2", content=encode(patient(id="p2")), headers=FHIR).status_code == 403


def test_a_bundle_whose_type_is_an_extension(server: LiveServer) -> None:
    """Is valid, and can be kept, but not run."""
    bundle = {"resourceType": "Bundle", "_type": {"extension": [{"url": "urn:x", "valueString": "y"}]}}
    with server.client("system/*.cruds") as client:
        assert client.post("/fhir", json=bundle).status_code == 400
        assert client.post("/fhir/Bundle", json=bundle).status_code == 201
