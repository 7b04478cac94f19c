"""The PyPI package fhirclient (SMART), as other people's programs use it."""

from __future__ import annotations

from typing import Any

import pytest
from requests.exceptions import HTTPError

from tests.support.serve import Served

fhirclient = pytest.importorskip("fhirclient.client")
auth = pytest.importorskip("fhirclient.auth")
servers = pytest.importorskip("fhirclient.server")
bundles = pytest.importorskip("fhirclient.models.bundle")
observations = pytest.importorskip("fhirclient.models.observation")
patients = pytest.importorskip("fhirclient.models.patient")

COUNT = 25
CODE = "urn:fhirclient|pulse"


def connected(served: Served, token: str) -> Any:
    """A server as the client sees it, with a token that was got beforehand."""
    client = fhirclient.FHIRClient(settings={"app_id": "tests", "api_base": f"{served.url}/fhir"})
    client.prepare()
    client.server.auth = auth.FHIRAuth.create("oauth2", {"app_id": "tests", "access_token": token})
    return client.server


@pytest.fixture(scope="module")
def server(served: Served) -> Any:
    """A server on which everything is allowed."""
    return connected(served, served.token("system/*.cruds"))


@pytest.fixture
def patient(server: Any) -> Any:
    """A patient that has just been created."""
    created = patients.Patient({"name": [{"family": "Created"}], "gender": "male"}).create(server)
    return patients.Patient.read(created["id"], server)


@pytest.fixture(scope="module")
def measured(server: Any) -> Any:
    """A patient whose pulse was taken on 25 days, stored by one transaction."""
    made = patients.Patient({"name": [{"family": "Fhirclient"}]}).create(server)
    entries = [
        {
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "urn:fhirclient", "code": "pulse"}]},
                "subject": {"reference": f"Patient/{made['id']}"},
                "effectiveDateTime": f"2024-01-{day:02}",
            },
            "request": {"method": "POST", "url": "Observation"},
        }
        for day in range(1, COUNT + 1)
    ]
    bundle = bundles.Bundle({"type": "transaction", "entry": entries})
    stored = bundles.Bundle(server.post_json("", bundle.as_json()).json())
    assert {entry.response.status for entry in stored.entry} == {"201 Created"}
    return patients.Patient.read(made["id"], server)


@pytest.mark.spec("FHIR R4 http.html#capabilities")
def test_capabilities(server: Any) -> None:
    """The client takes the CapabilityStatement for a valid one of R4."""
    assert server.capabilityStatement.fhirVersion == "4.0.1"
    assert "Patient" in {resource.type for resource in server.capabilityStatement.rest[0].resource}


@pytest.mark.spec("FHIR R4 http.html#update")
def test_update(server: Any, patient: Any) -> None:
    """A resource that was read can be changed and stored; the client reads the new version."""
    patient.gender = "female"
    patient.update(server)
    read = patients.Patient.read(patient.id, server)
    assert (read.gender, read.meta.versionId, read.name[0].family) == ("female", "2", "Created")


@pytest.mark.spec("FHIR R4 http.html#history")
def test_history(server: Any, patient: Any) -> None:
    """The history is a Bundle that the client reads, the newest version first."""
    patient.gender = "other"
    patient.update(server)
    history = bundles.Bundle.read_from(f"Patient/{patient.id}/_history", server)
    assert [entry.resource.gender for entry in history.entry] == ["other", "male"]


@pytest.mark.spec("FHIR R4 http.html#delete")
def test_delete(server: Any, patient: Any) -> None:
    """What was deleted is gone."""
    patient.delete(server)
    with pytest.raises(HTTPError) as refused:
        patients.Patient.read(patient.id, server)
    assert refused.value.response is not None
    assert refused.value.response.status_code == 410


@pytest.mark.spec("FHIR R4 search.html")
@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, COUNT),
        ({"date": {"$and": ["ge2024-01-10", "lt2024-01-12"]}}, 2),
        ({"status": {"$or": ["final", "amended"]}}, COUNT),
        ({"subject": {"$type": "Patient", "family": {"$exact": "Fhirclient"}}}, COUNT),
        ({"subject": {"$type": "Patient", "family": {"$exact": "fhirclient"}}}, 0),
        ({"encounter": {"$missing": "false"}}, 0),
    ],
)
@pytest.mark.usefixtures("measured")
def test_search(server: Any, wanted: dict[str, Any], count: int) -> None:
    """A search finds what matches all of its parameters, over all pages."""
    search = observations.Observation.where({"code": CODE, "_count": "10", **wanted})
    assert len({observation.id for observation in search.perform_resources_iter(server)}) == count


@pytest.mark.spec("FHIR R4 search.html#paging")
@pytest.mark.usefixtures("measured")
def test_pages(server: Any) -> None:
    """Pages follow each other in the order of the sort."""
    search = observations.Observation.where({"code": CODE, "_sort": "-date", "_count": "10"})
    pages = [
        [entry.resource.effectiveDateTime.isostring[:10] for entry in page.entry]
        for page in search.perform_iter(server)
    ]
    days = [f"2024-01-{day:02}" for day in range(COUNT, 0, -1)]
    assert pages == [days[:10], days[10:20], days[20:]]


@pytest.mark.spec("FHIR R4 search.html#include")
def test_include(server: Any, measured: Any) -> None:
    """Included resources come with their page, and references to them are resolved."""
    search = observations.Observation.where({"code": CODE, "_count": "100"}).include("subject")
    found = list(search.perform_resources_iter(server))
    assert [resource.resource_type for resource in found] == ["Observation"] * COUNT + ["Patient"]
    assert found[0].subject.resolved(patients.Patient).id == measured.id


@pytest.mark.spec("FHIR R4 operationoutcome.html")
def test_refused(server: Any) -> None:
    """A refusal reaches the program with an OperationOutcome that names the element."""
    with pytest.raises(HTTPError) as refused:
        patients.Patient({"gender": "unheard-of"}).create(server)
    assert refused.value.response is not None
    assert refused.value.response.json()["issue"][0]["expression"] == ["Patient.gender"]


@pytest.mark.parametrize(
    ("token", "error"), [("wrong", "FHIRUnauthorizedException"), ("reading", "FHIRPermissionDeniedException")]
)
def test_no_access(served: Served, patient: Any, token: str, error: str) -> None:
    """A token that is not known, and one that does not allow it, become the client's own errors."""
    limited = connected(served, served.token("system/Patient.rs") if token == "reading" else token)
    with pytest.raises(getattr(servers, error)):
        patient.delete(limited)
