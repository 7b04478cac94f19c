"""$ingest-measurements over a real socket: kept once, refused by line, only in records that are open to the caller."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.live_server import LiveServer

URL = "/fhir/$ingest-measurements"
CSV = {"Content-Type": "text/csv"}
SYSTEM = "system/*.cruds"


def device(id_: str, patient: str | None = "ada", **elements: Any) -> dict[str, Any]:
    """A wearable of a patient."""
    owner = {"patient": {"reference": f"Patient/{patient}"}} if patient else {}
    identifier = [{"system": "urn:serial", "value": f"SN-{id_}"}]
    return {"resourceType": "Device", "id": id_, "identifier": identifier, **owner, **elements}


@pytest.fixture
def clinic(server: LiveServer) -> LiveServer:
    """Two patients with a watch each, a watch of nobody and one that is out of use."""
    with server.client(SYSTEM) as client:
        for patient in ("ada", "bob"):
            assert client.put(f"/fhir/Patient/{patient}", json={"resourceType": "Patient", "id": patient}).is_success
        for one in (device("watch"), device("band", "bob"), device("new", None), device("old", status="inactive")):
            assert client.put(f"/fhir/Device/{one['id']}", json=one).is_success
    return server


def line(number: int = 0, value: Any = 60, **others: Any) -> dict[str, Any]:
    """A heart rate of a minute of its own."""
    time = f"2026-01-02T{number // 60:02}:{number % 60:02}:00Z"
    return {"device": "watch", "metric": "heart-rate", "time": time, "value": value} | others


def told(answer: httpx.Response) -> dict[str, Any]:
    """The counts of an answer, and `refused` as the lines with their reasons."""
    assert answer.status_code == 200, answer.text
    parts = answer.json()["parameter"]
    found = {part["name"]: part["valueInteger"] for part in parts if "valueInteger" in part}
    issues = [issue["diagnostics"] for part in parts if "resource" in part for issue in part["resource"]["issue"]]
    assert found.pop("refused") == len(issues)
    return found | {"refused": issues}


def counts(received: int, **others: Any) -> dict[str, Any]:
    """What an answer tells."""
    nothing = {"created": 0, "updated": 0, "known": 0, "flagged": 0, "refused": []}
    return {"received": received} | nothing | others


def test_a_reading_is_kept_once(clinic: LiveServer) -> None:
    """However often it comes; another value corrects it; of two in one call the last counts."""
    with clinic.client(SYSTEM) as client:
        lines = [line(number) for number in range(1200)]
        assert told(client.post(URL, json=lines)) == counts(1200, created=1200)
        assert told(client.post(URL, json=lines)) == counts(1200, known=1200)
        changed = [line(0, 61), line(1, 99), line(1, 62), line(2, 999)]
        assert told(client.post(URL, json=changed)) == counts(4, updated=3, known=1, flagged=1)
        assert client.get("/fhir/Observation?_summary=count").json()["total"] == 1200
        query = (
            "/fhir/Observation?patient=ada&code=http://loinc.org|8867-4&_sort=date&_count=3&date=lt2026-01-02T00:03Z"
        )
        found = [entry["resource"] for entry in client.get(query).json()["entry"]]
        assert [one["valueQuantity"]["value"] for one in found] == [61, 62, 999]
        assert [one["status"] for one in found] == ["final", "final", "preliminary"]
        assert [one["meta"]["versionId"] for one in found] == ["2", "2", "2"]


@pytest.mark.parametrize("name", ["watch", "Device/watch", "urn:serial|SN-watch"])
def test_devices_have_names_in_every_form(clinic: LiveServer, name: str) -> None:
    """The id, the reference, and an identifier."""
    with clinic.client(SYSTEM) as client:
        text = f"device,metric,time,value,unit\n{name},weight,2026-01-02T08:00:00+01:00,70.50,kg\n"
        assert told(client.post(URL, content=text, headers=CSV)) == counts(1, created=1)
        (entry,) = client.get("/fhir/Observation?device=Device/watch").json()["entry"]
        assert entry["resource"]["valueQuantity"]["code"] == "kg"
        assert entry["resource"]["subject"] == {"reference": "Patient/ada"}


def test_it_takes_parameters(clinic: LiveServer) -> None:
    """As any client of FHIR sends them, under either JSON type, and in XML."""
    values = {"device": "String", "metric": "Code", "time": "DateTime", "value": "String", "unit": "String"}
    sent = {"device": "watch", "metric": "blood-pressure", "value": "120/80", "unit": "mmHg"}
    for number, content_type in enumerate(("application/fhir+json", "application/json")):
        reading = sent | {"time": f"2026-01-02T08:0{number}:00Z"}
        parts = [{"name": name, f"value{type_}": reading[name]} for name, type_ in values.items()]
        body = {"resourceType": "Parameters", "parameter": [{"name": "measurement", "part": parts}]}
        with clinic.client(SYSTEM) as client:
            answer = client.post(URL, json=body, headers={"Content-Type": content_type})
            assert told(answer) == counts(1, created=1)


def test_lines_are_refused_by_themselves(clinic: LiveServer) -> None:
    """Each with its line and reason; the good ones are kept."""
    rows = [
        "device,metric,time,value,unit",
        "watch,heart-rate,2026-01-02T08:00:00Z,60,bpm",
        "nobody,heart-rate,2026-01-02T08:00:00Z,60,bpm",
        "new,heart-rate,2026-01-02T08:00:00Z,60,bpm",
        "old,heart-rate,2026-01-02T08:00:00Z,60,bpm",
        "urn:serial|none,heart-rate,2026-01-02T08:00:00Z,60,bpm",
        "watch,heart-rate,2026-01-02T08:00:00Z,60,kg",
        "watch,heart-rate,2036-01-02T08:00:00Z,60,bpm",
        "watch,heart-rate",
    ]
    with clinic.client(SYSTEM) as client:
        answer = told(client.post(URL, content="\n".join(rows), headers=CSV))
        assert answer == counts(
            8,
            created=1,
            refused=[
                "3: there is no device 'nobody'",
                "4: the device 'new' belongs to no patient",
                "5: the device 'old' is not active",
                "6: there is no device 'urn:serial|none'",
                "7: heart-rate is not measured in 'kg', but in /min",
                "8: 'time' lies in the future",
                "9: the line has 2 fields, the head 5",
            ],
        )


def test_a_device_that_changes_hands_takes_no_reading_along(clinic: LiveServer) -> None:
    """What was kept in one record is not moved into another by being sent again."""
    with clinic.client(SYSTEM) as client:
        assert told(client.post(URL, json=[line()])) == counts(1, created=1)
        assert client.put("/fhir/Device/watch", json=device("watch", "bob")).is_success
        reason = "1: there is a reading of this device and time in another patient's record"
        assert told(client.post(URL, json=[line(value=61)])) == counts(1, refused=[reason])
        assert client.get("/fhir/Observation?patient=bob&_summary=count").json()["total"] == 0


def test_a_patient_writes_into_the_own_record_only(clinic: LiveServer) -> None:
    """Another's device is not there for the patient, whatever it is called."""
    with clinic.client("patient/*.cruds", patient="ada") as client:
        lines = [line(), line(device="band"), line(device="urn:serial|SN-band")]
        reasons = ["2: there is no device 'band'", "3: there is no device 'urn:serial|SN-band'"]
        assert told(client.post(URL, json=lines)) == counts(3, created=1, refused=reasons)


def test_who_may_only_create_changes_nothing(clinic: LiveServer) -> None:
    """What is there is known, whatever the value; that it may not be read is no hindrance."""
    with clinic.client("system/Observation.c system/Device.rs") as client:
        assert told(client.post(URL, json=[line(value=60)])) == counts(1, created=1)
        assert told(client.post(URL, json=[line(value=61)])) == counts(1, known=1)
    with clinic.client(SYSTEM) as client:
        (entry,) = client.get("/fhir/Observation").json()["entry"]
        assert entry["resource"]["valueQuantity"]["value"] == 60


@pytest.mark.parametrize(
    "scope", ["system/Observation.c", "system/Device.rs", "system/Observation.rs system/Device.rs"]
)
def test_scopes_that_do_not_reach(clinic: LiveServer, scope: str) -> None:
    """To see devices and to create observations, it takes both."""
    with clinic.client(scope) as client:
        assert client.post(URL, json=[line()]).status_code == 403


def test_without_a_token(clinic: LiveServer) -> None:
    """There is no answer."""
    with clinic.client() as client:
        assert client.post(URL, json=[line()]).status_code == 401


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"[]", "application/json", 200),
        (b"", "text/csv", 200),
        (b"device", "text/csv", 400),
        (b"{", "application/json", 400),
        (b'{"resourceType":"Patient"}', "application/json", 400),
        (b"x", "text/plain", 415),
    ],
)
def test_bodies_that_are_none(clinic: LiveServer, content: bytes, content_type: str, status: int) -> None:
    """Are refused whole; nothing is a list too."""
    with clinic.client(SYSTEM) as client:
        answer = client.post(URL, content=content, headers={"Content-Type": content_type})
        assert answer.status_code == status, answer.text
        assert answer.json()["resourceType"] == ("Parameters" if status == 200 else "OperationOutcome")


def test_other_operations_take_no_table(clinic: LiveServer) -> None:
    """A media type of one operation's own is none of another's."""
    with clinic.client(SYSTEM) as client:
        assert client.post("/fhir/$fhirpath", content=b"x", headers=CSV).status_code == 415


@pytest.mark.parametrize(
    "steps",
    [
        [{"op": "replace", "path": "/status", "value": "entered-in-error"}],
        [{"op": "replace", "path": "/status", "value": "corrected"},
         {"op": "replace", "path": "/valueQuantity/value", "value": 65}],
        [{"op": "add", "path": "/note", "value": [{"text": "worn on the ankle"}]}],
        None,
    ],
)  # fmt: skip
def test_what_people_did_to_a_reading_stays(clinic: LiveServer, steps: list[dict[str, Any]] | None) -> None:
    """A correction, a note or a deletion is not undone by the device's next upload, whatever that says."""
    with clinic.client(SYSTEM) as client:
        client.post(URL, json=[line()])
        (entry,) = client.get("/fhir/Observation").json()["entry"]
        path = f"/fhir/Observation/{entry['resource']['id']}"
        if steps is None:
            client.delete(path)
        else:
            patched = client.patch(path, json=steps, headers={"Content-Type": "application/json-patch+json"})
            assert patched.status_code == 200, patched.text
        before = client.get(path).text
        for value in (60, 61):
            assert told(client.post(URL, json=[line(value=value)])) == counts(1, known=1)
        assert client.get(path).text.replace("\n", "") == before.replace("\n", "") or steps is None
        assert client.get(path).status_code == (410 if steps is None else 200)
