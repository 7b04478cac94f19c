"""The FHIR API in XML, over a real socket."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from healix_fhir.model.xml.decode import decode
from healix_fhir.model.xml.encode import encode
from tests.support.live_server import LiveServer
from tests.support.resources import observation, patient, transaction

XML = {"Content-Type": "application/fhir+xml", "Accept": "application/fhir+xml"}


def resource(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The resource of an answer in XML."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/fhir+xml; charset=utf-8")
    return decode(answer.content)


@pytest.mark.spec("FHIR R4 http.html#mime-type", "FHIR R4 xml.html#root")
def test_a_resource_lives_in_xml_as_in_json(server: LiveServer) -> None:
    """Create, read, vread, update, history, search, delete and what is gone, all in XML, over what JSON sees too."""
    with server.client("system/*.cruds") as client:
        made = resource(client.post("/fhir/Patient", content=encode(patient(id="x")), headers=XML), 201)
        where = f"/fhir/Patient/{made['id']}"
        assert resource(client.get(where, headers=XML)) == made
        assert client.get(where).json() == made
        assert resource(client.get(f"{where}/_history/1?_pretty=true", headers=XML)) == made
        changed = made | {"gender": "male"}
        assert resource(client.put(where, content=encode(changed), headers=XML))["gender"] == "male"
        history = resource(client.get(f"{where}/_history", headers=XML))
        assert [entry["resource"]["meta"]["versionId"] for entry in history["entry"]] == ["2", "1"]
        found = resource(client.get("/fhir/Patient?gender=male&nonsense=1", headers=XML))
        assert [entry["search"]["mode"] for entry in found["entry"]] == ["match", "outcome"]
        assert client.delete(where, headers=XML).status_code == 204
        assert resource(client.get(where, headers=XML), 410)["issue"][0]["code"] == "deleted"


@pytest.mark.spec("FHIR R4 http.html#transaction", "FHIR R4 xml.html#root")
def test_a_transaction_in_xml_is_a_transaction(server: LiveServer) -> None:
    """Entries, references between them and the answer are what they are in JSON."""
    with server.client("system/*.cruds") as client:
        bundle = transaction(patient(), observation("urn:uuid:00000000-0000-4000-8000-000000000000"))
        answer = resource(client.post("/fhir", content=encode(bundle), headers=XML))
        assert [entry["response"]["status"] for entry in answer["entry"]] == ["201 Created", "201 Created"]
        subject = client.get(answer["entry"][1]["response"]["location"]).json()["subject"]["reference"]
        assert subject in answer["entry"][0]["response"]["location"]


@pytest.mark.spec("FHIR R4 http.html#capabilities")
def test_the_capabilities_name_both_formats_in_both(server: LiveServer) -> None:
    """The statement is the same in XML, and says that there is XML."""
    with server.client() as client:
        statement = resource(client.get("/fhir/metadata", params={"_format": "xml"}))
        assert statement == client.get("/fhir/metadata").json()
        assert statement["format"] == ["application/fhir+json", "application/fhir+xml", "json", "xml"]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"<Patient", "malformed XML"),
        (b'<Patient xmlns="http://hl7.org/fhir"><nothing value="1"/></Patient>', "unknown element"),
        (b'<Patient xmlns="http://hl7.org/fhir"><gender value="none"/></Patient>', "required value set"),
        (b'<Observation xmlns="http://hl7.org/fhir"><status value="final"/></Observation>', "resourceType"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Patient>&b;</Patient>', "document type"),
    ],
)
def test_bad_xml_is_refused_in_xml_and_nothing_is_stored(server: LiveServer, body: bytes, part: str) -> None:
    """What is no FHIR XML, or no valid resource, is told in an OperationOutcome."""
    with server.client("system/*.cruds") as client:
        outcome = resource(client.post("/fhir/Patient", content=body, headers=XML), 400)
        assert part in outcome["issue"][0]["diagnostics"]
        assert "entry" not in client.get("/fhir/Patient").json()
