"""$export from its kick-off request to its files, over a real socket and a real database.

Spec: HL7 Bulk Data Access 2.0.0 export.html
"""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.support.bulk import ASYNC, FHIR, exported
from tests.support.live_server import LiveServer
from tests.support.ward import WARD, observation, put, to

ALL = {name: sorted(one["id"] for one in WARD if one["resourceType"] == name) for name in
       dict.fromkeys(one["resourceType"] for one in WARD)}  # fmt: skip
OF_PATIENTS = {
    "DocumentReference": ["ann-letter"],
    "Group": ["pair"],
    "Observation": ["ann-pulse", "ann-weight", "bob-pulse", "both", "cis-pulse"],
    "Patient": ["ann", "bob", "cis"],
    "Provenance": ["new", "of-cis", "old"],
}


def test_system(server: LiveServer, client: httpx.Client) -> None:
    """All resources come, of Binaries those of nobody, as they are read; each file has one type."""
    found = exported(server, client, "/fhir/$export")
    assert found.ids() == ALL | {"Binary": ["form"]}
    read = client.get("/fhir/Observation/ann-pulse").json()
    assert read in found.lines["output"]["Observation"]
    assert found.manifest["requiresAccessToken"] is True
    assert found.manifest["request"] == f"{server.url}/fhir/$export"
    assert (found.manifest["deleted"], found.manifest["error"]) == ([], [])


def test_attachments(server: LiveServer, client: httpx.Client) -> None:
    """The address of an attachment on this server is absolute, and can be read; text that looks like one stays."""
    (document,) = exported(server, client, "/fhir/$export?_type=DocumentReference").lines["output"]["DocumentReference"]
    url = document["content"][0]["attachment"]["url"]
    assert url == f"{server.url}/fhir/Binary/letter"
    assert client.get(url, headers={"Accept": "*/*"}).content == b"letter"
    assert document["description"] == 'says "url":"Binary/letter" itself'


STATUS = "http://hl7.org/fhir/ValueSet/observation-status"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Patient/$export", OF_PATIENTS),
        ("Patient/$export?_type=Patient,Observation&_type=Group",
         {name: OF_PATIENTS[name] for name in ("Group", "Observation", "Patient")}),
        ("Patient/$export?_type=Patient&_outputFormat=ndjson", {"Patient": ["ann", "bob", "cis"]}),
        ("Group/pair/$export?_type=Patient,Observation,Provenance",
         {"Patient": ["ann", "bob"], "Observation": ["ann-pulse", "ann-weight", "bob-pulse", "both"],
          "Provenance": ["new", "old"]}),
        ("Group/nobody/$export", {}),
        ("$export?_type=Observation&_typeFilter=Observation%3Fcode%3D8867-4%26status%3Dfinal",
         {"Observation": ["ann-pulse", "bob-pulse"]}),
        ("$export?_type=Observation,Patient&_typeFilter=Observation%3Fcode%3D29463-7,Observation%3Fstatus%3Dpreliminary",
         {"Observation": ["ann-weight", "cis-pulse"], "Patient": ["ann", "bob", "cis"]}),
        ("$export?_typeFilter=Observation%3Fcode%3D29463-7,1&_typeFilter=Patient%3Fgender%3Dmale&_type=Observation,Patient",
         {"Observation": ["ann-weight", "both"], "Patient": ["bob"]}),
        (f"$export?_type=Observation&_typeFilter=Observation%3Fcode%3D29463-7%26status:in%3D{STATUS}",
         {"Observation": ["ann-weight"]}),
        ("Group/pair/$export?_type=Observation&_typeFilter=Observation%3Fpatient.gender%3Dfemale",
         {"Observation": ["ann-pulse", "ann-weight", "both"]}),
        ("Group/pair/$export?_type=Observation&_typeFilter=Observation%3Fstatus%3Dpreliminary", {}),
        ("Patient/$export?_type=Observation&includeAssociatedData=RelevantProvenanceResources",
         {"Observation": OF_PATIENTS["Observation"], "Provenance": ["new", "of-cis", "old"]}),
        ("Group/pair/$export?_type=Observation&includeAssociatedData=LatestProvenanceResources",
         {"Observation": ["ann-pulse", "ann-weight", "bob-pulse", "both"], "Provenance": ["new"]}),
        ("$export?_type=Patient&_since=2999-01-01T00:00:00Z", {}),
        ("$export?_type=Patient&_until=2000-01-01T00:00:00Z", {}),
        ("$export?_type=Patient&_since=2000-01-01T00:00:00%2B01:00", {"Patient": ["ann", "bob", "cis"]}),
    ],
)  # fmt: skip
@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#query-parameters")
def test_what_comes(server: LiveServer, client: httpx.Client, path: str, expected: dict[str, list[str]]) -> None:
    """Level, types, times and filters say what an export has; a type of which there is nothing has no file."""
    assert exported(server, client, f"/fhir/{path}").ids() == expected


def named(*ids: str) -> dict[str, Any]:
    """The Parameters of an export of certain patients' resources."""
    parts = [{"name": "patient", "valueReference": to(f"Patient/{one}")} for one in ids]
    return {
        "resourceType": "Parameters",
        "parameter": [*parts, {"name": "_type", "valueString": "Patient,Observation"}],
    }


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#query-parameters")
def test_patients(server: LiveServer, client: httpx.Client) -> None:
    """Only resources of the patients named come, and none that is in another's compartment as well."""
    expected = {"Patient": ["ann"], "Observation": ["ann-pulse", "ann-weight"]}
    for path in ("/fhir/Patient/$export", "/fhir/Group/pair/$export"):
        assert exported(server, client, path, body=named("ann")).ids() == expected
    both = exported(server, client, "/fhir/Group/pair/$export", body=named("ann", "bob")).ids()
    assert both["Observation"] == ["ann-pulse", "ann-weight", "bob-pulse", "both"]


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#query-parameters")
def test_elements(server: LiveServer, client: httpx.Client) -> None:
    """Unlisted elements that need not be there are left out, and what is left is tagged SUBSETTED."""
    path = "/fhir/$export?_type=Patient,Observation&_elements=Patient.gender,id"
    lines = exported(server, client, path).lines["output"]
    ann = next(one for one in lines["Patient"] if one["id"] == "ann")
    assert set(ann) == {"resourceType", "id", "meta", "gender"}
    assert ann["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert all(set(one) == {"resourceType", "id", "meta", "status", "code"} for one in lines["Observation"])


@pytest.mark.spec("Bulk Data Access 3.0.0 export.html#bulk-data-output-file-organization")
def test_by_patient(server: LiveServer, client: httpx.Client) -> None:
    """Each patient's resources are a block behind a header, the Patient first; one of two patients comes with each."""
    found = exported(server, client, "/fhir/Group/pair/$export?_type=Patient,Observation&organizeOutputBy=Patient")
    blocks: dict[str, list[str]] = {}
    for line in found.lines["output"][""]:
        if line["resourceType"] == "Parameters":
            block = blocks.setdefault(line["parameter"][0]["valueReference"]["reference"], [])
        else:
            block.append(line["id"])
    assert {name: (ids[0], sorted(ids[1:])) for name, ids in blocks.items()} == {
        "Patient/ann": ("ann", ["ann-pulse", "ann-weight", "both"]),
        "Patient/bob": ("bob", ["bob-pulse", "both"]),
    }
    assert found.manifest["outputOrganizedBy"] == "Patient"
    assert ["type" in item for item in found.manifest["output"]] == [False]


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#response---complete-status")
def test_since(server: LiveServer, client: httpx.Client, writer: httpx.Client) -> None:
    """From the transaction time of one export on, the next has what was changed and what was deleted, and only that."""
    put(writer, observation("goes", "bob", "1"), observation("stays", "bob", "1"))
    before = exported(server, client, "/fhir/$export?_type=Observation,Patient")
    assert {"goes", "stays"} <= set(before.ids()["Observation"])
    time.sleep(0.01)
    writer.delete("/fhir/Observation/goes")
    put(writer, observation("stays", "bob", "2"), observation("comes", "cis", "1"))
    since = f"_type=Observation,Patient&_since={before.manifest['transactionTime']}"
    after = exported(server, client, f"/fhir/$export?{since}")
    assert after.ids() == {"Observation": ["comes", "stays"]}
    assert after.deleted == ["Observation/goes"]
    group = exported(server, client, f"/fhir/Group/pair/$export?{since}")
    assert (group.ids(), group.deleted) == ({"Observation": ["stays"]}, ["Observation/goes"])
    for id_ in ("stays", "comes"):
        writer.delete(f"/fhir/Observation/{id_}")


@pytest.mark.spec("FHIR R6 patient-operation-purge.html")
def test_since_a_purge(server: LiveServer, client: httpx.Client, writer: httpx.Client) -> None:
    """Clients learn from `deleted` of what was purged, until it is expunged; of its content nothing comes any more."""
    put(writer, {"resourceType": "Patient", "id": "dan"}, observation("of-dan", "dan", "1"))
    since = f"_type=Observation,Patient&_since={exported(server, client, '/fhir/$export').manifest['transactionTime']}"
    time.sleep(0.01)
    assert client.post("/fhir/Patient/dan/$purge").status_code == 403
    assert httpx.post(f"{server.url}/fhir/Patient/dan/$purge").status_code == 401
    assert writer.post("/fhir/Patient/dan/$purge").status_code == 200
    gone = [writer.get(f"/fhir/{one}") for one in ("Patient/dan", "Observation/of-dan")]
    assert [one.status_code for one in gone] == [410, 410]
    assert writer.get("/fhir/Observation/of-dan/_history/1").status_code == 404
    assert exported(server, client, f"/fhir/$export?{since}").deleted == ["Observation/of-dan", "Patient/dan"]
    for one in ("Observation/of-dan", "Patient/dan"):
        asked = {"name": "expungeDeletedResources", "valueBoolean": True}
        answer = writer.post(f"/fhir/{one}/$expunge", json={"resourceType": "Parameters", "parameter": [asked]})
        assert [part.get("valueInteger", False) for part in answer.json()["parameter"]] == [1, False]
    assert writer.get("/fhir/Patient/dan").status_code == 404
    assert exported(server, client, f"/fhir/$export?{since}").deleted == []


REFUSED = [
    ("$export?_outputFormat=csv", "_outputFormat csv"),
    ("$export?_since=2026", "_since"),
    ("$export?_since=yesterday", "_since"),
    ("$export?_since=2026-01-02T00:00:00Z&_until=2026-01-01T00:00:00Z", "_until"),
    ("$export?_since=2026-01-02T00:00:00Z&_since=2026-01-02T00:00:00Z", "_since"),
    ("$export?_type=Nothing", "'Nothing'"),
    ("$export?_type=AuditEvent", "AuditEvent"),
    ("Patient/$export?_type=Practitioner", "Practitioner is never in the compartment"),
    ("Patient/$export?_type=Binary", "Binary"),
    ("$export?patient=Patient/ann", "patient"),
    ("Patient/$export?patient=Patient/ann", "send it in a Parameters resource"),
    ("$export?includeAssociatedData=_all", "includeAssociatedData=_all"),
    ("$export?organizeOutputBy=Group", "organizeOutputBy=Group"),
    ("$export?allowPartialManifests=true", "allowPartialManifests"),
    ("$export?_elements=Patient.nothing", "'nothing'"),
    ("$export?_type=Patient&_typeFilter=Observation?code=1", "Observation is none of the types"),
    ("$export?_typeFilter=code", "no search of a resource type"),
    ("$export?_typeFilter=Observation?code", "no search parameters"),
    ("$export?_typeFilter=Observation?nothing=1", "nothing"),
    ("$export?_typeFilter=Observation?_include=*", "_include"),
    ("$export?_typeFilter=Observation?_sort=date", "_sort"),
    ("$export?_typeFilter=Observation?_count=1", "_count"),
    ("$export?_typeFilter=Observation?date=never", "date"),
    ("$export?_typeFilter=Observation?code:nothing=1", "nothing"),
    ("$export?_typeFilter=Observation?code:in=http://example.org/none", "http://example.org/none is not known"),
    ("$export?_typeFilter=" + ",".join(["Observation?code=1"] * 51), "50 searches"),
    ("$export?_typeFilter=Observation?code=" + ",".join(["1"] * 3000), "2000 values"),
]


@pytest.mark.parametrize(("path", "named"), REFUSED, ids=[path[:60] for path, _ in REFUSED])
def test_refused(client: httpx.Client, path: str, named: str) -> None:
    """What cannot be done is refused by name when it is asked for."""
    path, _, query = path.partition("?")
    params = [tuple(pair.split("=", 1)) for pair in query.split("&")]
    answer = client.get(f"/fhir/{path}", params=params, headers=ASYNC)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["resourceType"]) == (400, "OperationOutcome")
    assert named in answer.json()["issue"][0]["diagnostics"]


def test_named_patients_who_are_not_there(client: httpx.Client) -> None:
    """A patient who is not there, and one who is no member of the group, are refused alike, by name."""
    for path, id_ in (("Patient", "ghost"), ("Group/pair", "ghost"), ("Group/pair", "cis")):
        answer = client.post(f"/fhir/{path}/$export", json=named("ann", id_), headers=ASYNC | FHIR)
        assert answer.status_code == 400
        assert f"Patient/{id_}" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("Group/ghost", 404), ("Group/tall", 422), ("Patient/ann", 400), ("Observation", 400), ("Group", 400)],
)
def test_where_there_is_no_export(client: httpx.Client, path: str, status: int) -> None:
    """A group that is not there or lists nobody, and what has no export at all, are refused."""
    answer = client.get(f"/fhir/{path}/$export", headers=ASYNC)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#headers")
@pytest.mark.parametrize("prefer", [None, "handling=strict", "return=minimal"])
def test_it_is_answered_later_only(client: httpx.Client, prefer: str | None) -> None:
    """Without `Prefer: respond-async` there is no export."""
    answer = client.get("/fhir/$export", headers={"Prefer": prefer} if prefer else {})
    assert answer.status_code == 400
    assert "respond-async" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.spec("Bulk Data Access 2.0.0 export.html#query-parameters")
def test_lenient(server: LiveServer, client: httpx.Client) -> None:
    """Under lenient handling what cannot be done is left out, and the error file says so."""
    path = (
        "/fhir/Patient/$export?_type=Patient,Practitioner&_elements=Patient.nothing&includeAssociatedData=_x"
        "&_typeFilter=Patient%3Fnothing%3D1"
    )
    found = exported(server, client, path, "respond-async, handling=lenient")
    assert found.ids() == {"Patient": ["ann", "bob", "cis"]}
    assert len(found.messages) == 4
    for name in ("Practitioner", "nothing", "_x", "_typeFilter"):
        assert any(name in message for message in found.messages)


def test_members_who_are_no_patients(server: LiveServer, client: httpx.Client) -> None:
    """The error file names members of a group that are not exported."""
    assert exported(server, client, "/fhir/Group/pair/$export").messages == [
        "Group/pair: Practitioner/gp is no patient of this server, and was left out"
    ]
