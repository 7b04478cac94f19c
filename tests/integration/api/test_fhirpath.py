"""$fhirpath over a real socket."""

from __future__ import annotations

import httpx
import pytest

from healix_fhir.model.json import encode
from healix_fhir.model.xml.decode import decode as decode_xml
from healix_fhir.model.xml.encode import encode as encode_xml
from tests.support.live_server import LiveServer
from tests.support.resources import Json, patient

CALL: Json = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "expression", "valueString": "Patient.name.given.first()"},
        {"name": "resource", "resource": patient()},
    ],
}
ANSWER: Json = {"resourceType": "Parameters", "parameter": [{"name": "result", "valueString": "Ada"}]}
JSON = {"Content-Type": "application/fhir+json"}
XML = {"Content-Type": "application/fhir+xml", "Accept": "application/fhir+xml"}


@pytest.mark.spec("FHIR R4 operations.html#executing")
def test_an_expression_is_evaluated_in_json_and_in_xml(server: LiveServer) -> None:
    """Any token may call it, since nothing is read from the store; the answer has the form that is asked for."""
    with server.client("patient/Observation.rs", patient="nobody") as client:
        answer = client.post("/fhir/$fhirpath", content=encode(CALL), headers=JSON)
        assert (answer.status_code, answer.json()) == (200, ANSWER)
        answer = client.post("/fhir/$fhirpath", content=encode_xml(CALL), headers=XML)
        assert (answer.status_code, decode_xml(answer.content)) == (200, ANSWER)


def test_it_needs_a_token(server: LiveServer) -> None:
    """Without a token there is no answer."""
    assert httpx.post(f"{server.url}/fhir/$fhirpath", content=encode(CALL), headers=JSON).status_code == 401


def test_refusals_are_outcomes(server: LiveServer) -> None:
    """A syntax error, too much work, a wrong method and a wrong level are 4xx with an OperationOutcome."""
    with server.client("system/*.rs") as client:

        def status(expression: str) -> int:
            body = {"resourceType": "Parameters", "parameter": [{"name": "expression", "valueString": expression}]}
            body["parameter"] = [*body["parameter"], CALL["parameter"][1]]
            answer = client.post("/fhir/$fhirpath", content=encode(body), headers=JSON)
            assert answer.json()["resourceType"] == "OperationOutcome"
            return answer.status_code

        assert status("Patient.name[") == 400
        assert status("1.repeat($this + 1)") == 413
        assert client.get("/fhir/$fhirpath").status_code == 405
        assert 400 <= client.post("/fhir/Patient/$fhirpath", content=encode(CALL), headers=JSON).status_code < 500


def test_it_is_announced(server: LiveServer) -> None:
    """The capability statement names it on the system level."""
    shown = httpx.get(f"{server.url}/fhir/metadata").json()
    assert "fhirpath" in {operation["name"] for operation in shown["rest"][0]["operation"]}
