"""Downloading a record by the pages, and sending a document by a link."""

from __future__ import annotations

import email
import json
import re
from collections.abc import Callable, Iterator
from email import policy

import httpx
import psycopg
import pytest

from healix_fhir.care.reports import link
from healix_fhir.kernel.database import open_pool, run
from healix_fhir.operation import everything
from healix_fhir.operation import report as operation
from healix_fhir.search.security_labels import clearance
from healix_fhir.server.composition import post
from smart_auth.account.clearance import clear
from tests.support.bulk import work
from tests.support.consents import actors, consent, deny
from tests.support.live_server import LiveServer, live_server
from tests.support.pdf import read
from tests.support.portal import PASSWORD, account, csrf
from tests.support.record import DOCTOR, PATIENT, lists
from tests.support.ward import put

BORN = PATIENT["birthDate"]
ADDRESS = re.compile(r"https?://\S+/account/document\?link=(\S+)")
DOCUMENT = re.compile(r'href="/account/report/([A-Za-z0-9-]+)"')
TAKE_BACK = re.compile(r'name="link" value="([A-Za-z0-9-]+)"')


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the record of Ada; she, her doctor, another patient and an administrator have accounts."""
    with live_server(module_database_url, tmp_path_factory.mktemp("pages")) as running:
        with running.client("system/*.cruds", client="registry") as client:
            other = {"resourceType": "Patient", "id": "bob", "name": [{"family": "Other"}]}
            patient = PATIENT | {"generalPractitioner": [{"reference": "Practitioner/doc"}]}
            put(client, patient, other, DOCTOR, *lists())
        with open_pool(module_database_url, size=1) as pool:
            for name, role, who in (
                ("ada", "patient", "Patient/ada"),
                ("bob", "patient", "Patient/bob"),
                ("dr", "practitioner", "Practitioner/doc"),
                ("root", "admin", None),
            ):
                account(pool, name, role, who)
        _settle(running)
        yield running


Browse = Callable[[str], httpx.Client]


@pytest.fixture
def signed_in(server: LiveServer) -> Iterator[Browse]:
    """Opens browsers that are signed in."""
    opened: list[httpx.Client] = []

    def browse(username: str) -> httpx.Client:
        client = httpx.Client(base_url=server.url, timeout=30)
        opened.append(client)
        token = csrf(client.get("/account/login"))
        answer = client.post("/account/login", data={"username": username, "password": PASSWORD, "csrf": token})
        assert answer.status_code == 303
        return client

    yield browse
    for one in opened:
        one.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs beside: who asks does not wait."""
    monkeypatch.setattr(operation, "WAIT", 0.2)


def made(server: LiveServer, client: httpx.Client) -> str:
    """The id of a report of Ada that is made by the page."""
    page = client.get("/account/report?patient=ada")
    fields = {"csrf": csrf(page), "patient": "ada", "start": "2026-01-01", "end": "2026-03-31", "language": "es"}
    answer = client.post(
        "/account/report", data=fields | {"timezone": "Europe/Madrid", "section": ["problems", "goals"]}
    )
    assert answer.headers["location"] == "/account/report?patient=ada&soon=1"
    work(server)
    found = DOCUMENT.findall(client.get("/account/report?patient=ada&done=1").text)
    assert found
    return str(found[0])


def sent(server: LiveServer, client: httpx.Client, document: str, **fields: str) -> str:
    """The secret of a link that is sent."""
    page = client.get("/account/report?patient=ada")
    given = {"csrf": csrf(page), "document": document, "email": "friend@example.org", "days": "7", **fields}
    answer = client.post("/account/report/send", data=given)
    assert answer.headers.get("location") == "/account/report?patient=ada&sent=1", answer.text
    step = post(server.settings)
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        while step(connection):
            pass
    newest = max((server.settings.data_dir / "outbox").glob("*.eml"))
    mail = email.message_from_bytes(newest.read_bytes(), policy=policy.default)
    text = mail.get_content()
    for telling in ("Ada", "Lovelace", "MRN", "1975", "hypertension"):
        assert telling not in text + str(mail["subject"])
    found = ADDRESS.search(text)
    assert found is not None
    return found[1]


def opened(server: LiveServer, secret: str, born: str = BORN) -> httpx.Response:
    """What comes to a stranger's browser who has a link and says a birth date."""
    with httpx.Client(base_url=server.url, timeout=30) as stranger:
        page = stranger.get(f"/account/document?link={secret}")
        assert page.status_code == 200
        return stranger.post("/account/document", data={"csrf": csrf(page), "link": secret, "birthdate": born})


@pytest.mark.parametrize("username", ["ada", "dr"])
def test_made_and_downloaded(server: LiveServer, signed_in: Browse, username: str) -> None:
    """Patient and clinician find the page from their home, make a report in a language, and download it."""
    client = signed_in(username)
    assert "/account/report?patient=ada" in client.get("/account/").text
    answer = client.get(f"/account/report/{made(server, client)}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    found = read(answer.content)
    assert found.language == "es"
    assert "Essential hypertension" in found.text
    assert "Ramipril" not in found.text


@pytest.mark.parametrize("username", ["ada", "dr"])
def test_the_whole_record_as_data(
    server: LiveServer, signed_in: Browse, username: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patient and clinician download what $everything gives, one resource a line, through all of its pages."""
    monkeypatch.setattr(everything, "MOST", 2)
    client = signed_in(username)
    page = client.get("/account/report?patient=ada").text
    assert 'href="/account/report/data?patient=ada"' in page
    answer = client.get("/account/report/data?patient=ada")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+ndjson")
    assert answer.headers["content-disposition"].startswith('attachment; filename="health-record-')
    found = [json.loads(line) for line in answer.text.splitlines()]
    told = [f"{one['resourceType']}/{one['id']}" for one in found]
    assert len(told) == len(set(told)) > 3
    assert "Patient/ada" in told
    assert not [one for one in told if one.startswith("Patient/") and one != "Patient/ada"]


def test_times_are_of_where_the_patient_lives(server: LiveServer, signed_in: Browse) -> None:
    """The form offers the patient's own time zone first, and a report that names none is of it."""
    with server.client("system/*.rus") as system:
        whole = system.get("/fhir/Patient/ada").json()
        zone = {"url": "http://hl7.org/fhir/StructureDefinition/timezone", "valueCode": "Asia/Kolkata"}
        try:
            there = whole | {"address": [{"city": "Pune", "extension": [zone]}]}
            assert system.put("/fhir/Patient/ada", json=there).status_code == 200
            assert "<option selected>Asia/Kolkata</option>" in signed_in("ada").get("/account/report?patient=ada").text
            told = system.post("/fhir/Patient/ada/$report?section=goals", headers={"Prefer": "respond-async"})
            assert told.status_code == 202
            with psycopg.connect(server.settings.database_url) as look:
                asked = look.execute("SELECT convert_from(asked, 'utf8') FROM bulk_job ORDER BY created DESC LIMIT 1")
                assert '"zone":"Asia/Kolkata"' in str(asked.fetchone())
        finally:
            assert system.put("/fhir/Patient/ada", json=whole).status_code == 200


def test_not_for_others(server: LiveServer, signed_in: Browse) -> None:
    """To another patient the record and its documents are not there; administrators read no charts."""
    document = made(server, signed_in("ada"))
    bob = signed_in("bob")
    for path in (
        "/account/report?patient=ada",
        "/account/report?patient=none",
        "/account/report/data?patient=ada",
        f"/account/report/{document}",
    ):
        assert bob.get(path).status_code == 404
    token = csrf(bob.get("/account/report?patient=bob"))
    for path in ("/account/report", "/account/report/send"):
        fields = {"csrf": token, "patient": "ada", "document": document, "email": "x@example.org", "days": "1"}
        assert bob.post(path, data=fields).status_code == 404
    assert signed_in("root").get("/account/report?patient=ada").status_code == 403
    with httpx.Client(base_url=server.url) as nobody:
        assert nobody.get(f"/account/report/{document}").headers["location"] == "/account/login"


@pytest.mark.spec("OWASP ASVS 5.0 6.5")
def test_link(server: LiveServer, signed_in: Browse) -> None:
    """A link opens once, with the birth date; nobody without it, and afterwards nobody."""
    client = signed_in("ada")
    document = made(server, client)
    secret = sent(server, client, document, once="on")
    for wrong in ("1975-12-11", BORN[:4], BORN[:7], ""):
        assert opened(server, secret, wrong).status_code == 400
    answer = opened(server, secret)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert read(answer.content).pages
    assert opened(server, secret).status_code == 404
    assert opened(server, "guess").status_code == 404
    assert ": used" in client.get("/account/report?patient=ada").text
    with psycopg.connect(server.settings.database_url) as look:
        rows = look.execute(
            "SELECT action, outcome, client, patient FROM audit_event WHERE subtype = 'document-link' ORDER BY seq"
        ).fetchall()
        stored = look.execute("SELECT hash FROM document_link").fetchall()
    assert rows[-3:] == [
        ("C", 0, "healix-portal", "ada"),
        ("R", 4, "healix-document-link", "ada"),
        ("R", 0, "healix-document-link", "ada"),
    ]
    assert secret.encode() not in {bytes(row[0]) for row in stored}


def test_no_link_where_the_birth_date_is_half_known(server: LiveServer, signed_in: Browse) -> None:
    """A year of birth alone, or a month, is soon guessed: no link is sent, and one that was is opened by nothing."""
    client = signed_in("ada")
    document = made(server, client)
    secret = sent(server, client, document)
    with server.client("system/Patient.rus") as system:
        whole = system.get("/fhir/Patient/ada").json()
        try:
            assert system.put("/fhir/Patient/ada", json=whole | {"birthDate": BORN[:4]}).status_code == 200
            page = client.get("/account/report?patient=ada")
            fields = {"csrf": csrf(page), "document": document, "email": "x@example.org", "days": "1"}
            refused = client.post("/account/report/send", data=fields)
            assert "no whole date of birth" in refused.text
            assert opened(server, secret, BORN[:4]).status_code == 400
            assert opened(server, secret).status_code == 400
        finally:
            assert system.put("/fhir/Patient/ada", json=whole).status_code == 200
    assert opened(server, secret).status_code == 200


def test_link_is_locked_and_taken_back(server: LiveServer, signed_in: Browse) -> None:
    """After a few wrong birth dates a link is locked for good; who sent one can take it back, and nobody else."""
    client = signed_in("ada")
    document = made(server, client)
    secret = sent(server, client, document)
    for _ in range(link.TRIES):
        assert opened(server, secret, "2000-01-01").status_code == 400
    assert opened(server, secret).status_code == 404
    assert ": locked" in client.get("/account/report?patient=ada").text
    before = set(TAKE_BACK.findall(client.get("/account/report?patient=ada").text))
    again = sent(server, client, document)
    page = client.get("/account/report?patient=ada")
    (id_,) = set(TAKE_BACK.findall(page.text)) - before
    bob = signed_in("bob")
    bob.post("/account/report/take-back", data={"csrf": csrf(bob.get("/account/report?patient=bob")), "link": id_})
    assert opened(server, again).status_code == 200
    client.post("/account/report/take-back", data={"csrf": csrf(page), "patient": "ada", "link": id_})
    assert opened(server, again).status_code == 404
    assert ": taken back" in client.get("/account/report?patient=ada").text


def test_link_ends_with_its_sender(server: LiveServer, signed_in: Browse) -> None:
    """A link opens what its sender may see now: not when the patient has left their care, or they are another now."""
    client = signed_in("dr")
    secret = sent(server, client, made(server, client))
    with server.client("system/*.cruds") as registry:
        put(registry, PATIENT)
        _settle(server)
        assert opened(server, secret).status_code == 404
        put(registry, PATIENT | {"generalPractitioner": [{"reference": "Practitioner/doc"}]})
        _settle(server)
        assert opened(server, secret).status_code == 200
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        connection.execute("UPDATE account SET fhir_user = 'Practitioner/else' WHERE username = 'dr'")
        assert opened(server, secret).status_code == 404
        connection.execute("UPDATE account SET fhir_user = 'Practitioner/doc' WHERE username = 'dr'")


@pytest.mark.spec("FHIR R4 consent.html")
def test_consents(server: LiveServer, signed_in: Browse) -> None:
    """Where a Consent keeps parts of a record from some, its reports are for the patient and for who is cleared."""
    with server.client("system/*.cruds") as registry:
        put(registry, consent("kept", deny(actor=actors("Practitioner/else")), patient="ada"))
        document = made(server, signed_in("ada"))
        found = registry.get(f"/fhir/DocumentReference/{document}").json()
        assert [one["code"] for one in found["meta"]["security"]] == ["R"]
        doctor = signed_in("dr")
        assert doctor.get(f"/account/report/{document}").status_code == 404
        fields = {"csrf": csrf(doctor.get("/account/report?patient=ada")), "patient": "ada"}
        assert "a clearance for R" in doctor.post("/account/report", data=fields).text
        with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
            run(connection, clear("dr", clearance(["R"])))
        made(server, doctor)
        assert doctor.get(f"/account/report/{document}").status_code == 200
        assert registry.delete("/fhir/Consent/kept").status_code in (200, 204)


def _settle(server: LiveServer) -> None:
    """Bring relationships up to date, as the worker does."""
    from healix_fhir.kernel.consume import drain
    from healix_fhir.server.composition import consumers

    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        while drain(connection, consumers(server.settings)):
            pass


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"email": "no address"}, "no mail address"),
        ({"days": "9999"}, "number of days"),
        ({"days": "2"}, "good for 1, 7, 30"),
    ],
)
def test_refused(server: LiveServer, signed_in: Browse, fields: dict[str, str], told: str) -> None:
    """What cannot be sent is said on the page."""
    client = signed_in("ada")
    document = made(server, client)
    given = {"csrf": csrf(client.get("/account/report?patient=ada")), "document": document, "email": "a@example.org"}
    answer = client.post("/account/report/send", data=given | {"days": "1"} | fields)
    assert answer.status_code == 400
    assert told in answer.text
