"""Who may do what with workitems."""

from __future__ import annotations

import httpx
import psycopg
import pytest

from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import run
from healix_fhir.model.json import encode
from healix_fhir.server.composition import consumers
from smart_auth.store import create_user
from tests.support.live_server import LiveServer
from tests.support.workitems import Members, members, state, workitem

ROOT = "1.2.826.0.1.3680043.10.1714.79"
OWN, OTHERS, NOBODYS = (f"{ROOT}.{number}" for number in (1, 2, 3))
REQUESTS: dict[str, tuple[str, str, Members | None, str]] = {
    "create": ("POST", "/workitems", workitem(PatientID="mrn-own"), "c"),
    "search": ("GET", "/workitems", None, "s"),
    "retrieve": ("GET", "/workitems/{}", None, "r"),
    "update": ("POST", "/workitems/{}", members(ProcedureStepLabel="x"), "u"),
    "state": ("PUT", "/workitems/{}/state", state("IN PROGRESS"), "u"),
    "cancel": ("POST", "/workitems/{}/cancelrequest", {}, "u"),
}
"""Each transaction: its method, address, body, and the letter of the scope that opens it."""


def send(client: httpx.Client, name: str, uid: str = OWN) -> httpx.Response:
    """A transaction about one item."""
    method, path, body, _ = REQUESTS[name]
    return client.request(method, "/dicomweb" + path.format(uid), json=body)


@pytest.fixture
def items(server: LiveServer) -> LiveServer:
    """A server with two patients, a workitem of each and one without a patient."""
    patients = {"own": "mrn-own", "other": "mrn-other"}
    entries = [
        {
            "resource": {
                "resourceType": "Patient",
                "id": id_,
                "identifier": [{"system": "urn:oid:1.2.3", "value": value}],
                **({"generalPractitioner": [{"reference": "Practitioner/doctor"}]} if id_ == "own" else {}),
            },
            "request": {"method": "PUT", "url": f"Patient/{id_}"},
        }
        for id_, value in patients.items()
    ]
    doctor = {"resource": {"resourceType": "Practitioner", "id": "doctor"},
              "request": {"method": "PUT", "url": "Practitioner/doctor"}}  # fmt: skip
    with server.client("system/*.cruds") as client:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [*entries, doctor]}
        answer = client.post("/fhir", content=encode(bundle), headers={"Content-Type": "application/fhir+json"})
        assert answer.is_success, answer.text
        for uid, patient in ((OWN, "mrn-own"), (OTHERS, "mrn-other"), (NOBODYS, None)):
            made = client.post(f"/dicomweb/workitems?{uid}", json=workitem(PatientID=patient))
            assert made.status_code == 201, made.text
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        run(connection, create_user("doc", role="practitioner", fhir_user="Practitioner/doctor", password_hash="!"))
        while drain(connection, consumers(server.settings)):
            pass
    return server


@pytest.mark.parametrize("name", REQUESTS)
def test_nothing_is_open_without_a_token(items: LiveServer, name: str) -> None:
    """401 and how to get in."""
    with items.client() as client:
        answer = send(client, name)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="Healix"')


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("scope", ["system/ImagingStudy.cruds", "system/Patient.cruds"])
def test_scopes_of_other_types_open_no_workitem(items: LiveServer, name: str, scope: str) -> None:
    """403: workitems are opened by scopes on Task."""
    with items.client(scope) as client:
        answer = send(client, name)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_permission_opens_its_own_transactions_only(items: LiveServer, name: str) -> None:
    """`c` creates, `r` retrieves, `u` changes, `s` searches."""
    opened = set()
    for letter in "cruds":
        with items.client(f"system/Task.{letter}") as client:
            if send(client, name, OTHERS).status_code != 403:
                opened.add(letter)
    assert opened == {REQUESTS[name][3]}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_scope_with_a_query_opens_no_workitem(items: LiveServer, name: str) -> None:
    """Workitems are not indexed as Tasks, so that nobody knows of which a query holds: it is refused by name."""
    with items.client("system/Task.cruds?status=requested") as client:
        answer = send(client, name)
    assert answer.status_code == 403
    assert "without a query" in answer.text


@pytest.mark.parametrize(
    ("scope", "arguments"),
    [
        ("patient/Task.cruds", {"patient": "own"}),
        ("user/Task.cruds", {"username": "doc"}),
        ("patient/Task.cruds", {"patient": "own", "username": "doc"}),
    ],
)
@pytest.mark.parametrize("hidden", [OTHERS, NOBODYS])
def test_whoever_sees_one_patient_sees_the_work_for_that_patient(
    items: LiveServer, scope: str, arguments: dict[str, str], hidden: str
) -> None:
    """What is for others or for nobody answers as if it were not there, and no workitem is made for them."""
    with items.client(scope, **arguments) as client:
        listed = client.get("/dicomweb/workitems").json()
        assert [item["00080018"]["Value"][0] for item in listed] == [OWN]
        assert send(client, "create").status_code == 201
        for name in ("retrieve", "update", "state", "cancel"):
            answers = [send(client, name, uid) for uid in (hidden, f"{ROOT}.99")]
            assert [answer.status_code for answer in answers] == [404, 404]
            assert answers[0].content == answers[1].content
        for patient in ("mrn-other", "mrn-unknown", None):
            refused = client.post("/dicomweb/workitems", json=workitem(PatientID=patient))
            assert refused.status_code == 403
        assert send(client, "retrieve").status_code == 200
        assert send(client, "state").status_code == 200


def test_what_was_refused_is_in_the_audit_trail(items: LiveServer) -> None:
    """With the patient whom it was about."""
    with items.client("patient/Task.cruds", patient="own", client="app") as client:
        send(client, "retrieve", OTHERS)
        send(client, "state", OTHERS)
        client.post("/dicomweb/workitems", json=workitem(PatientID="mrn-other"))
    statement = (
        "SELECT subtype, entity, patient FROM audit_event WHERE outcome = 4 AND client = 'app'"
        " AND subtype LIKE 'workitem%' ORDER BY seq"
    )
    with psycopg.connect(items.settings.database_url, autocommit=True) as connection:
        for _ in range(100):
            rows = connection.execute(statement).fetchall()
            if len(rows) == 3:
                break
            connection.execute("SELECT pg_sleep(0.05)")
    assert rows == [
        ("workitem-retrieve", OTHERS, "other"),
        ("workitem-state", OTHERS, "other"),
        ("workitem-create", None, None),
    ]
