"""Who may begin an export, what it then has, and whose it is.

Spec: HL7 Bulk Data Access 2.0.0 export.html#privacy-and-security-considerations
"""

from __future__ import annotations

import httpx
import psycopg
import pytest

from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import run
from healix_fhir.server.composition import consumers
from smart_auth.oauth.passwords import hash_password
from smart_auth.store import create_user, revoke
from tests.support.bulk import ASYNC, FHIR, begun, collected, exported, work
from tests.support.live_server import LiveServer
from tests.support.ward import to


def related(server: LiveServer) -> None:
    """Give the practitioner of the ward an account, and the care relationships that the ward's resources say."""
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        password = hash_password("correct horse battery")
        if connection.execute("SELECT FROM account WHERE username = 'gp'").fetchone() is None:
            run(connection, create_user("gp", role="practitioner", fhir_user="Practitioner/gp", password_hash=password))
        while drain(connection, consumers(server.settings)):
            pass


def test_no_token(server: LiveServer) -> None:
    """Without a token nothing is begun, told, ended or sent."""
    for method, path in (("GET", "fhir/$export"), ("GET", "bulk/x"), ("DELETE", "bulk/x"), ("GET", "bulk/x/y")):
        assert httpx.request(method, f"{server.url}/{path}", headers=ASYNC).status_code == 401


@pytest.mark.parametrize("path", ["$export", "Patient/$export", "Group/pair/$export"])
def test_apps_of_one_patient(server: LiveServer, path: str) -> None:
    """A token for one patient's record begins no export, and is told so."""
    with server.client("patient/*.cruds", client="portal", patient="ann") as client:
        answer = client.get(f"/fhir/{path}", headers=ASYNC)
    assert answer.status_code == 403
    assert "one patient's record" in answer.json()["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    ("scope", "query", "status"),
    [
        ("system/Patient.rs", "_type=Observation", 403),
        ("system/Observation.r", "", 403),
        ("system/Patient.rs", "_type=Patient&includeAssociatedData=LatestProvenanceResources", 403),
        ("system/Observation.rs", "_type=Observation&organizeOutputBy=Patient", 403),
        ("system/Patient.rs", "_type=Patient", 202),
    ],
)
def test_scopes(server: LiveServer, scope: str, query: str, status: int) -> None:
    """What no scope opens cannot be asked for."""
    with server.client(scope, client="narrow") as client:
        assert client.get(f"/fhir/$export?{query}", headers=ASYNC).status_code == status


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("system/Patient.rs", {"Patient": ["ann", "bob", "cis"]}),
        ("system/Patient.rs?gender=male", {"Patient": ["bob"]}),
        (
            "system/Observation.rs?status=preliminary system/Group.rs",
            {"Observation": ["cis-pulse"], "Group": ["nobody", "pair", "tall"]},
        ),
    ],
)
def test_scopes_say_what_comes(server: LiveServer, scope: str, expected: dict[str, list[str]]) -> None:
    """Of all types those that the scopes open come, of scopes with queries what these find."""
    with server.client(scope, client="narrow") as client:
        assert exported(server, client, "/fhir/$export").ids() == expected


def test_groups_without_a_scope_on_groups(server: LiveServer) -> None:
    """A token with scopes on what it exports alone exports a Group's; none where a scope on Groups does not open it."""
    with server.client("system/Observation.rs", client="narrow") as client:
        found = exported(server, client, "/fhir/Group/pair/$export?_type=Observation").ids()
        assert found == {"Observation": ["ann-pulse", "ann-weight", "bob-pulse", "both"]}
        asked = {"resourceType": "Parameters", "parameter": [{"name": "patient", "valueReference": to("Patient/ann")}]}
        assert client.post("/fhir/Patient/$export", json=asked, headers=ASYNC | FHIR).status_code == 403
    with server.client("system/Observation.rs system/Group.r?type=animal", client="narrow") as client:
        assert client.get("/fhir/Group/pair/$export?_type=Observation", headers=ASYNC).status_code == 404


def test_relationships_say_what_comes(server: LiveServer) -> None:
    """An export in the name of a practitioner has the patients in that person's care, at every level."""
    related(server)
    with server.client("user/*.rs", client="ehr", username="gp") as client:
        for path in ("$export", "Patient/$export", "Group/pair/$export"):
            found = exported(server, client, f"/fhir/{path}?_type=Patient,Observation").ids()
            assert found == {"Patient": ["ann"], "Observation": ["ann-pulse", "ann-weight", "both"]}
        asked = {"resourceType": "Parameters", "parameter": [{"name": "patient", "valueReference": to("Patient/bob")}]}
        hidden = client.post("/fhir/Patient/$export", json=asked, headers=ASYNC | FHIR)
        assert hidden.status_code == 400
        assert "Patient/bob is no patient of this server" in hidden.text


def test_what_comes_along_is_seen(server: LiveServer) -> None:
    """By patient there are blocks of patients in sight alone, and Provenance in no compartment is for systems."""
    related(server)
    query = "_type=Observation&organizeOutputBy=Patient&includeAssociatedData=RelevantProvenanceResources"
    with server.client("user/*.rs", client="ehr", username="gp") as client:
        (lines,) = exported(server, client, f"/fhir/Patient/$export?{query}").lines["output"].values()
    assert lines[0]["parameter"][0]["valueReference"] == to("Patient/ann")
    assert sorted(one["id"] for one in lines[1:]) == ["ann-pulse", "ann-weight", "both"]


def test_jobs_belong_to_their_client(server: LiveServer, client: httpx.Client) -> None:
    """Another client finds no job, no file and nothing to end, as if there were none."""
    job = begun(client, "/fhir/$export?_type=Patient")
    with server.client("system/*.cruds", client="other") as other:
        for path in (job, f"{job}/Patient-1.ndjson", "/bulk/none"):
            assert other.get(path).status_code == 404
        assert other.delete(job).status_code == 404
        work(server)
        assert collected(client, job).ids()["Patient"] == ["ann", "bob", "cis"]
        for path in (job, f"{job}/Patient-1.ndjson"):
            answer = other.get(path)
            assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")
        assert other.delete(job).status_code == 404
    assert client.get(job).status_code == 200


def test_another_token_of_the_client(server: LiveServer, client: httpx.Client) -> None:
    """A later token of the client gets the files where it opens as much, and is refused where it opens less."""
    job = begun(client, "/fhir/$export?_type=Patient,Observation")
    work(server)
    with server.client("system/*.rs", client="analytics") as later:
        assert collected(later, job).ids().keys() == {"Patient", "Observation"}
    with server.client("system/Patient.rs", client="analytics") as narrower:
        assert narrower.get(job).status_code == 403
        assert narrower.get(f"{job}/Observation-1.ndjson").status_code == 403
        assert narrower.get(f"{job}/Patient-1.ndjson").status_code == 200
    with server.client("system/Patient.rs?gender=male", client="analytics") as few:
        assert few.get(f"{job}/Patient-1.ndjson").status_code == 403


def test_a_revoked_token_ends_its_jobs(server: LiveServer) -> None:
    """A job whose token was revoked before it is done comes to nothing, and says why to a later token."""
    token = server.token("system/Patient.rs", client="sorry")
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as client:
        job = begun(client, "/fhir/$export")
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        run(connection, revoke(token))
    work(server)
    with server.client("system/Patient.rs", client="sorry") as later:
        answer = later.get(job)
    assert answer.status_code == 403
    assert "revoked" in answer.json()["issue"][0]["diagnostics"]


def test_a_disabled_account_ends_its_jobs(server: LiveServer) -> None:
    """A job in the name of a person whose account is closed comes to nothing."""
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        password = hash_password("correct horse battery")
        run(connection, create_user("left", role="practitioner", fhir_user="Practitioner/gp", password_hash=password))
        with server.client("user/*.rs", client="ehr", username="left") as client:
            job = begun(client, "/fhir/$export?_type=Patient")
        connection.execute("UPDATE account SET disabled = true WHERE username = 'left'")
        work(server)
        state = connection.execute("SELECT state FROM bulk_job WHERE id = %s", (job.rpartition("/")[2],)).fetchone()
    assert state == ("failed",)


def test_trail(server: LiveServer, client: httpx.Client) -> None:
    """The beginning, each download and the end of a job are on record, with who did it."""
    job = begun(client, "/fhir/$export?_type=Patient")
    work(server)
    collected(client, job)
    client.delete(job)
    with psycopg.connect(server.settings.database_url) as connection:
        rows = connection.execute(
            "SELECT action, subtype, client, entity LIKE '%%/Patient-1.ndjson' FROM audit_event"
            " WHERE entity LIKE %s ORDER BY seq",
            (f"bulk/{job.rpartition('/')[2]}%",),
        ).fetchall()
    assert rows == [
        ("E", "$export", "analytics", False),
        ("R", "bulk-file", "analytics", True),
        ("D", "bulk-job", "analytics", False),
    ]


def test_research(server: LiveServer) -> None:
    """A research token opens no resources, and so no export."""
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO research_project (name, secret, profile) VALUES ('trial', '', '{}')")
    with server.client("system/ImagingStudy.rs", client="analysis", project="trial") as client:
        assert client.get("/fhir/$export", headers=ASYNC).status_code == 403
        assert client.get("/bulk/x").status_code == 404
