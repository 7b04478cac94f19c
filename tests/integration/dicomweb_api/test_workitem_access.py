"""Who may do what with workitems."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import run
from healix_fhir.model.json import encode
from healix_fhir.server.composition import consumers
from smart_auth.store import create_user
from tests.support.live_server import LiveServer, live_server
from tests.support.workitems import Members, code, members, state, workitem

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
    fill(server)
    return server


def fill(server: LiveServer) -> None:
    """Two patients, one of them in the care of a doctor, a workitem of each and one without a patient."""
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
def test_a_query_that_no_workitem_can_be_asked_is_refused(items: LiveServer, name: str) -> None:
    """403, which names what can be asked: a workitem is no Task, and has only some of what one has."""
    with items.client("system/Task.cruds?business-status=x") as client:
        answer = send(client, name)
    assert answer.status_code == 403
    assert "status, intent, priority, code" in answer.text


def seen(client: httpx.Client) -> set[str]:
    """The last numbers of the items that a caller finds, which are those that are retrieved too."""
    listed = {item["00080018"]["Value"][0] for item in client.get("/dicomweb/workitems").json()}
    retrieved = {uid for uid in (OWN, OTHERS, NOBODYS) if send(client, "retrieve", uid).status_code == 200}
    assert listed == retrieved
    return {uid.rpartition(".")[2] for uid in listed}


@pytest.mark.spec("SMART 2.2 scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=requested", "23"),
        ("status=in-progress,completed", "1"),
        ("status=http://hl7.org/fhir/task-status|requested", "23"),
        ("status=urn:other|requested", ""),
        ("status:not=requested", "1"),
        ("status=draft", ""),
        ("status=http://hl7.org/fhir/task-status|", "123"),
        ("status:not=http://hl7.org/fhir/task-status|", ""),
        ("intent:not=http://hl7.org/fhir/task-intent|", ""),
        ("priority:not=http://hl7.org/fhir/request-priority|", ""),
        ("intent=order", "123"),
        ("intent=plan", ""),
        ("intent:not=plan", "123"),
        ("priority=urgent", "13"),
        ("priority=stat", "2"),
        ("priority:not=stat", "13"),
        ("priority=asap", ""),
        ("code=110004", "13"),
        ("code=http://dicom.nema.org/resources/ontology/DCM|110004", "13"),
        ("code=http://loinc.org|110004", ""),
        ("code=http://dicom.nema.org/resources/ontology/DCM|", "13"),
        ("code=http://example.org/codes|110004,|X,LOCAL|X1", "2"),
        ("code:not=110004", "2"),
        ("patient=Patient/own", "1"),
        ("subject=Patient/other", "2"),
        ("patient=own,other", "12"),
        ("patient=Patient/own&status=requested", ""),
        (f"identifier=urn:dicom:uid|urn:oid:{NOBODYS}", "3"),
        (f"identifier=urn:other|urn:oid:{NOBODYS}", ""),
        (f"identifier={NOBODYS}", ""),
    ],
)
def test_a_scope_with_a_query_opens_what_it_holds_of(worked: LiveServer, query: str, expected: str) -> None:
    """A workitem is read as the Task that it is."""
    with worked.client(f"system/Task.rs?{query}") as client:
        assert seen(client) == set(expected)


@pytest.fixture(scope="module")
def worked(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with three workitems: the first in progress, the second with another priority and code."""
    with live_server(module_database_url, tmp_path_factory.mktemp("granular")) as server:
        fill(server)
        with server.client("system/*.cruds") as client:
            assert send(client, "state", OWN).status_code == 200
            other = members(ScheduledProcedureStepPriority="HIGH", ScheduledWorkitemCodeSequence=[code("X1", "LOCAL")])
            assert client.post(f"/dicomweb/workitems/{OTHERS}", json=other).status_code == 200
        yield server


@pytest.mark.parametrize(
    ("scope", "arguments", "expected"),
    [
        ("patient/Task.rs?status=requested", {"patient": "own"}, ""),
        ("patient/Task.rs?status=in-progress", {"patient": "own"}, "1"),
        ("user/Task.rs?priority=stat,urgent", {"username": "doc"}, "1"),
        ("patient/Task.rs?status=in-progress system/Task.rs?priority=stat", {"patient": "own"}, "12"),
        ("patient/Task.rs?business-status=x system/Task.rs?code=X1", {"patient": "own"}, "2"),
        ("system/Task.r?status=in-progress system/Task.s?status=in-progress", {}, "1"),
    ],
)
def test_a_query_narrows_its_own_context(
    worked: LiveServer, scope: str, arguments: dict[str, str], expected: str
) -> None:
    """Beside whose work it is; what one scope cannot ask closes no other."""
    with worked.client(scope, **arguments) as client:
        assert seen(client) == set(expected)


def test_what_is_changed_must_be_open_before_and_after(items: LiveServer) -> None:
    """As for FHIR resources: neither is a hidden item changed, nor one brought out of the caller's reach."""
    with items.client("system/Task.u?status=requested") as client:
        assert send(client, "update").status_code == 200
        assert send(client, "state").status_code == 403
        assert send(client, "cancel").status_code == 403
    with items.client("system/Task.u?status=requested,in-progress") as client:
        assert send(client, "state").status_code == 200
    with items.client("system/Task.u?status=requested") as client:
        answers = [send(client, "update", uid) for uid in (OWN, f"{ROOT}.99")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    with items.client("system/Task.r") as client:
        assert send(client, "retrieve").json()[0]["00741000"]["Value"] == ["IN PROGRESS"]


def test_only_what_the_query_holds_of_is_created(items: LiveServer) -> None:
    """What is refused leaves nothing behind."""
    with items.client("system/Task.cs?priority=stat") as client:
        assert send(client, "create").status_code == 403
        urgent = workitem(PatientID="mrn-own", ScheduledProcedureStepPriority="HIGH")
        assert client.post("/dicomweb/workitems", json=urgent).status_code == 201
    with items.client("patient/Task.cs?priority=stat", patient="own") as client:
        others = workitem(PatientID="mrn-other", ScheduledProcedureStepPriority="HIGH")
        assert client.post("/dicomweb/workitems", json=others).status_code == 403
    with items.client("system/Task.s") as client:
        assert len(client.get("/dicomweb/workitems").json()) == 4


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
