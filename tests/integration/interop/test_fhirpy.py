"""The PyPI package fhirpy, as other people's programs use it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.resources import UCUM
from tests.support.serve import Served

fhirpy = pytest.importorskip("fhirpy")
errors = pytest.importorskip("fhirpy.base.exceptions")

COUNT = 25
CODE = "urn:fhirpy|weight"


@pytest.fixture(scope="module")
def base(served: Served) -> str:
    """The server's FHIR base."""
    return f"{served.url}/fhir"


@pytest.fixture(scope="module")
def authorization(served: Served) -> str:
    """A header that opens everything."""
    return f"Bearer {served.token('system/*.cruds')}"


@pytest.fixture(scope="module")
def client(base: str, authorization: str) -> Any:
    """A client that may do everything."""
    return fhirpy.SyncFHIRClient(base, authorization=authorization)


@pytest.fixture
def patient(client: Any) -> Any:
    """A patient that has just been created."""
    return client.resource("Patient", name=[{"family": "Created"}], gender="male").save()


@pytest.fixture(scope="module")
def weighed(client: Any) -> Any:
    """A patient whose weight was taken on 25 days, stored by one transaction."""
    someone = client.resource("Patient", name=[{"family": "Fhirpy"}], birthDate="1980-02-03").save()
    observations = [
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "urn:fhirpy", "code": "weight"}]},
            "subject": {"reference": f"Patient/{someone.id}"},
            "effectiveDateTime": f"2024-01-{day:02}",
            "valueQuantity": {"value": 60 + day, "unit": "kg", "system": UCUM, "code": "kg"},
        }
        for day in range(1, COUNT + 1)
    ]
    entries = [{"resource": made, "request": {"method": "POST", "url": "Observation"}} for made in observations]
    bundle = client.resource("Bundle", type="transaction", entry=entries)
    stored = client.execute("", data=bundle.serialize())
    assert {entry["response"]["status"] for entry in stored["entry"]} == {"201 Created"}
    return someone


@pytest.mark.spec("FHIR R4 http.html#create")
def test_create(client: Any, patient: Any) -> None:
    """A created resource has id and version, and is read as it was sent."""
    read = client.reference("Patient", patient.id).to_resource()
    assert read.serialize() == patient.serialize()
    assert (read["meta"]["versionId"], read["name"]) == ("1", [{"family": "Created"}])


@pytest.mark.spec("FHIR R4 http.html#update")
def test_update(patient: Any) -> None:
    """An update makes a version; a client that has it is told that nothing is newer."""
    patient["gender"] = "female"
    patient.update()
    assert (patient["gender"], patient["meta"]["versionId"]) == ("female", "2")
    assert patient.refresh()["meta"]["versionId"] == "2"


@pytest.mark.spec("FHIR R4 http.html#concurrency")
def test_stale(base: str, authorization: str, patient: Any) -> None:
    """An update with If-Match is made on the version it names only."""
    patient.update()
    headers = {"If-Match": 'W/"1"'}
    careful = fhirpy.SyncFHIRClient(base, authorization=authorization, extra_headers=headers)
    careful.resource("Patient", id=patient.id, gender="female").update()
    with pytest.raises(errors.MultipleResourcesFound) as refused:  # what fhirpy makes of every 412
        careful.resource("Patient", id=patient.id, gender="other").update()
    assert json.loads(str(refused.value))["issue"][0]["code"] == "conflict"


@pytest.mark.spec("FHIR R4 http.html#patch")
def test_json_patch(base: str, authorization: str, patient: Any) -> None:
    """JSON Patch changes what it names."""
    headers = {"Content-Type": "application/json-patch+json"}
    patching = fhirpy.SyncFHIRClient(base, authorization=authorization, extra_headers=headers)
    operations = [{"op": "replace", "path": "/gender", "value": "unknown"}]
    patched = patching.execute(f"Patient/{patient.id}", method="patch", data=operations)
    assert (patched["gender"], patched["meta"]["versionId"]) == ("unknown", "2")


@pytest.mark.spec("FHIR R4 http.html#patch")
def test_merge_patch(patient: Any) -> None:
    """What fhirpy calls a patch is no patch of FHIR R4: it is refused with the reason, and changes nothing."""
    with pytest.raises(errors.OperationOutcome) as refused:
        patient.patch(gender="female")
    assert "Parameters" in str(refused.value)
    assert patient.refresh()["meta"]["versionId"] == "1"


@pytest.mark.spec("FHIR R4 http.html#history")
def test_history(client: Any, patient: Any) -> None:
    """The history lists versions, the newest first, and each can be read."""
    patient["gender"] = "other"
    patient.update()
    history = client.execute(f"Patient/{patient.id}/_history", method="get")
    assert [entry["resource"]["gender"] for entry in history["entry"]] == ["other", "male"]
    assert client.execute(f"Patient/{patient.id}/_history/1", method="get")["gender"] == "male"


@pytest.mark.spec("FHIR R4 http.html#delete")
def test_delete(client: Any, patient: Any) -> None:
    """What was deleted is not found any more."""
    patient.delete()
    with pytest.raises(errors.ResourceNotFound) as refused:
        client.reference("Patient", patient.id).to_resource()
    assert json.loads(str(refused.value))["issue"][0]["code"] == "deleted"


@pytest.mark.spec("FHIR R4 http.html#cond-update")
def test_conditional(client: Any, patient: Any) -> None:
    """A search set updates the resource that it finds, and deletes it."""
    found = client.resources("Patient").search(_id=patient.id)
    updated, created = found.update(client.resource("Patient", name=[{"family": "Updated"}]))
    assert (updated.id, created) == (patient.id, False)
    assert found.delete() == (None, 204)
    assert found.fetch() == []


@pytest.mark.spec("FHIR R4 http.html#ccreate")
def test_condition_in_the_url(client: Any, patient: Any) -> None:
    """A create with its condition in the URL, which R4 does not know, is refused and makes no duplicate."""
    found = client.resources("Patient").search(_id=patient.id)
    with pytest.raises(errors.OperationOutcome) as refused:
        found.get_or_create(client.resource("Patient", name=[{"family": "Duplicate"}]))
    assert "If-None-Exist" in str(refused.value)
    assert client.resources("Patient").search(family="Duplicate").count() == 0


@pytest.mark.spec("FHIR R4 search.html")
@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        ({}, COUNT),
        ({"date__ge": "2024-01-10", "date__lt": "2024-01-12"}, 2),
        ({"value_quantity__gt": f"80|{UCUM}|kg"}, 5),
        ({"patient__Patient__family": "fhirpy"}, COUNT),
        ({"patient__Patient__birthdate__ge": "1990"}, 0),
        ({"encounter__missing": True}, COUNT),
        ({"status": "final,amended"}, COUNT),
        ({"status": "amended"}, 0),
    ],
)
@pytest.mark.usefixtures("weighed")
def test_search(client: Any, parameters: dict[str, Any], count: int) -> None:
    """A search finds what matches all of its parameters, over all pages."""
    found = client.resources("Observation").search(code=CODE, **parameters)
    assert found.count() == count
    assert len({observation.id for observation in found.limit(10).fetch_all()}) == count


@pytest.mark.spec("FHIR R4 search.html#sort")
@pytest.mark.usefixtures("weighed")
def test_pages(client: Any) -> None:
    """Pages follow each other in the order of the sort."""
    pages = client.resources("Observation").search(code=CODE).sort("-date").limit(7)
    days = [observation["effectiveDateTime"] for observation in pages]
    assert days == [f"2024-01-{day:02}" for day in range(COUNT, 0, -1)]


@pytest.mark.spec("FHIR R4 search.html#has")
def test_has(client: Any, weighed: Any) -> None:
    """Resources are found by what refers to them."""
    assert client.resources("Patient").has("Observation", "patient", code=CODE).get().id == weighed.id


@pytest.mark.spec("FHIR R4 search.html#revinclude")
def test_include(client: Any, weighed: Any) -> None:
    """Included resources come with their page."""
    observations = client.resources("Observation").search(code=CODE).include("Observation", "subject").limit(2)
    patients = client.resources("Patient").search(_id=weighed.id).revinclude("Observation", "subject")
    found = [[entry["search"]["mode"] for entry in bundle.fetch_raw()["entry"]] for bundle in (observations, patients)]
    assert found == [["match", "match", "include"], ["match"] + ["include"] * COUNT]


@pytest.mark.spec("FHIR R4 search.html#elements")
@pytest.mark.usefixtures("weighed")
def test_elements(client: Any) -> None:
    """A client that wants some elements gets these, and those that are mandatory."""
    first = client.resources("Observation").search(code=CODE).elements("effectiveDateTime").first()
    assert set(first.serialize()) == {"resourceType", "id", "meta", "status", "code", "effectiveDateTime"}


@pytest.mark.spec("FHIR R4 operationoutcome.html")
def test_refused(client: Any) -> None:
    """A refusal reaches the program as an OperationOutcome that names the element."""
    wrong = client.resource("Patient", gender="unheard-of")
    with pytest.raises(errors.OperationOutcome) as refused:
        wrong.save()
    assert refused.value.resource["issue"][0]["expression"] == ["Patient.gender"]
    assert not wrong.is_valid()


@pytest.mark.parametrize("authorization", [None, "Bearer wrong"])
def test_no_token(base: str, authorization: str | None) -> None:
    """Without a token that is known, fhirpy reports an authorization error."""
    with pytest.raises(errors.AuthorizationError):
        fhirpy.SyncFHIRClient(base, authorization=authorization).resources("Patient").fetch()


def test_scope(served: Served, base: str, patient: Any) -> None:
    """What a token does not allow is forbidden."""
    reading = fhirpy.SyncFHIRClient(base, authorization=f"Bearer {served.token('system/Patient.rs')}")
    with pytest.raises(errors.ForbiddenError):
        reading.resource("Patient", id=patient.id).delete()
