"""$report over HTTP: asked for, made by the worker, stored once, read by who may."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from healix_fhir.bulk import job as jobs
from healix_fhir.care.reports.document import Document
from healix_fhir.care.reports.record import making
from healix_fhir.care.reports.record.making import Maker
from healix_fhir.care.reports.typesetting import pdf
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import open_pool, transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.operation import report as operation
from healix_fhir.server.composition import consumers
from tests.support.bulk import begun, work
from tests.support.dicom import data_set, part10, with_pixels
from tests.support.live_server import LiveServer, live_server
from tests.support.pdf import read
from tests.support.pictures import png
from tests.support.record import DOCTOR, PATIENT, SUBJECT, lists, vitals
from tests.support.stow import HEADERS, body
from tests.support.ward import put

OTHER = {"resourceType": "Patient", "id": "bob", "name": [{"family": "Other"}]}
RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
REPORT = "/fhir/Patient/ada/$report"
PERIOD = {"start": "2026-01-01", "end": "2026-03-31"}
FHIR = "application/fhir+json"


def of_study(server: LiveServer, client: httpx.Client) -> dict[str, Any]:
    """A report about a study of images of Ada that is stored here."""
    files = [part10(with_pixels(data_set(1, 1, n, PatientID="MRN-0042"), rows=64, columns=48)) for n in (1, 2, 3)]
    answer = client.post("/dicomweb/studies", content=body(files), headers=HEADERS)
    assert answer.status_code == 200, answer.text
    with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
        while drain(connection, consumers(server.settings)):
            pass
    (found,) = client.get("/fhir/ImagingStudy?patient=ada").json()["entry"]
    return {
        "resourceType": "DiagnosticReport",
        "id": "r2",
        "status": "final",
        "code": {"text": "CT of the chest"},
        "effectiveDateTime": "2026-02-03",
        "subject": SUBJECT,
        "imagingStudy": [{"reference": f"ImagingStudy/{found['resource']['id']}", "display": "Axial"}],
    }


def asked(**values: str) -> dict[str, Any]:
    """The Parameters of a call."""
    kinds = {"start": "Date", "end": "Date", "language": "Code", "timezone": "String", "section": "Code"}
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, f"value{kinds[name]}": value} for name, value in values.items()],
    }


def media() -> list[dict[str, Any]]:
    """A report with pictures: one that is there, one that says it is huge, one that is none, one that is missing."""
    pictures = {"good": png(60, 40), "huge": png(4, 4, claimed=(30000, 30000)), "none": b"%PDF-1.7"}
    found = [
        {
            "resourceType": "Media",
            "id": id_,
            "status": "completed",
            "subject": SUBJECT,
            "content": {"contentType": "image/png", "data": base64.b64encode(content).decode()},
        }
        for id_, content in pictures.items()
    ]
    (xray,) = (one for one in lists() if one["id"] == "r1")
    links = [{"link": {"reference": f"Media/{id_}"}} for id_ in (*pictures, "missing")]
    return [*found, xray | {"media": [links[0] | {"comment": "Left hilum"}, *links[1:]]}]


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with the record of Ada."""
    with live_server(module_database_url, tmp_path_factory.mktemp("report")) as running:
        with running.client("system/*.cruds", client="registry") as client:
            put(client, PATIENT, OTHER, DOCTOR)
            put(client, *(one for one in lists() if one["id"] != "r1"), *media(), *vitals(30))
            secret = lists()[0] | {
                "id": "secret",
                "code": {"text": "Hidden ailment"},
                "meta": {"security": [RESTRICTED]},
            }
            put(client, secret, of_study(running, client))
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """An app of the patient."""
    with server.client("patient/*.rs", patient="ada") as opened:
        yield opened


def made(server: LiveServer, client: httpx.Client, **values: str) -> dict[str, Any]:
    """The DocumentReference that a call leads to."""
    job = begun(client, REPORT, body=asked(**(PERIOD | values)))
    work(server)
    answer = client.get(job)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == FHIR
    (entry,) = answer.json()["entry"]
    found: dict[str, Any] = client.get(entry["response"]["location"]).json()
    return found


def pdf_of(client: httpx.Client, document: dict[str, Any]) -> bytes:
    """The bytes of its attachment."""
    answer = client.get(f"/fhir/{document['content'][0]['attachment']['url']}", headers={"Accept": "application/pdf"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    return answer.content


@pytest.mark.spec("FHIR R4 documentreference.html")
def test_story(server: LiveServer, client: httpx.Client) -> None:
    """A patient's app asks, the worker makes it, and what is stored is valid, whole and in the patient's language."""
    document = made(server, client, language="de", timezone="Europe/Vienna")
    attachment = document["content"][0]["attachment"]
    content = pdf_of(client, document)
    assert document["subject"] == SUBJECT
    assert (attachment["size"], attachment["language"]) == (len(content), "de")
    assert attachment["hash"] == base64.b64encode(hashlib.sha1(content).digest()).decode()
    assert document["meta"]["security"] == [RESTRICTED]
    found = read(content)
    assert (found.language, found.title, found.loose_fonts) == ("de", "Gesundheitsakte", ())
    for text in (
        "Essential hypertension",
        "Hidden ailment",
        "Ramipril",
        "Penicillin",
        "Herzfrequenz",
        "MRN-0042",
        "Dr. Hopper",
    ):
        assert text in found.text
    assert "12. März 2026, 10:00 Uhr" in found.text
    assert any("Schlüsselbild 1" in one and "Left hilum" in one for one in found.alternatives)
    assert "Schlüsselbild 1 des Befunds „CT of the chest“. Axial" in found.alternatives
    assert "Bilder, die nicht gezeigt werden konnten: 3." in found.text
    with server.client("system/*.cruds") as checker:
        for one in (document, client.get(f"/fhir/{attachment['url']}", headers={"Accept": FHIR}).json()):
            outcome = checker.post(f"/fhir/{one['resourceType']}/$validate", json=one).json()
            assert not [issue for issue in outcome["issue"] if issue["severity"] in ("error", "fatal")]


@pytest.mark.spec("SMART App Launch 2.2 scopes-and-launch-context.html#scopes-for-requesting-fhir-resources")
def test_only_what_is_seen(server: LiveServer) -> None:
    """What the token does not open is not in the document, and another's record is as if it were not there."""
    resolved = "patient/Condition.rs?clinical-status=resolved"
    scope = f"patient/Patient.rs {resolved} patient/DocumentReference.rs patient/Binary.rs"
    with server.client(scope, patient="ada") as narrow:
        text = read(pdf_of(narrow, made(server, narrow))).text
        assert "Acute bronchitis" in text
        assert "hypertension" not in text
        assert "Ramipril" not in text
        assert "Penicillin" not in text
        assert "Hidden ailment" not in text
        assert "Not for the eyes of who asked" in text
    with server.client("patient/*.rs", patient="bob") as stranger:
        assert stranger.post(REPORT, json=asked(**PERIOD)).status_code == 404
        assert stranger.post("/fhir/Patient/nobody/$report", json=asked(**PERIOD)).status_code == 404
    with server.client("patient/Patient.rs", patient="ada") as poor:
        assert poor.post(REPORT, json=asked(**PERIOD)).status_code == 403
    with server.client() as nobody:
        assert nobody.post(REPORT, json=asked(**PERIOD)).status_code == 401


@pytest.mark.spec("FHIR R4 security-labels.html#core")
def test_pictures_bring_their_labels_and_stay_in_their_record(server: LiveServer) -> None:
    """A document has the labels of what its pictures are of, and nothing of another patient by a wrong reference."""
    bob = {"reference": "Patient/bob"}
    (good,) = (one for one in media() if one["id"] == "good")
    (value,) = vitals(1)[:1]
    report = {
        "resourceType": "DiagnosticReport",
        "id": "old",
        "status": "final",
        "code": {"text": "Skin"},
        "effectiveDateTime": "2020-01-05",
        "subject": SUBJECT,
        "media": [{"link": {"reference": f"Media/{id_}"}} for id_ in ("labelled", "of-bob", "lent")],
        "result": [{"reference": "Observation/value-of-bob"}],
    }
    scan = {
        "resourceType": "Binary",
        "id": "scan-of-bob",
        "contentType": "image/png",
        "securityContext": bob,
        "data": good["content"]["data"],
    }
    with server.client("system/*.cruds") as client:
        put(
            client,
            good | {"id": "labelled", "meta": {"security": [RESTRICTED]}},
            good | {"id": "of-bob", "subject": bob},
            scan,
            good | {"id": "lent", "content": {"url": "Binary/scan-of-bob"}},
            value | {"id": "value-of-bob", "subject": bob, "code": {"text": "Value of Bob"}},
            report,
        )
        document = made(server, client, start="2020-01-01", end="2020-01-31", section="reports")
        assert document["meta"]["security"] == [RESTRICTED]
        found = read(pdf_of(client, document))
        assert "Pictures that could not be shown: 2." in found.text
        assert "Value of Bob" not in found.text
        client.delete("/fhir/DiagnosticReport/old")


@pytest.mark.parametrize(
    ("values", "status", "expected"),
    [
        ({"start": "2026-03"}, 400, "'start' must be a day"),
        ({"start": "2026-05-01", "end": "2026-04-01"}, 400, "'start' is no day before 'end'"),
        ({"start": "1900-01-01", "end": "2026-04-01"}, 400, "more than"),
        ({"end": "9999-12-31", "start": "9999-12-01"}, 400, "'start'"),
        ({"end": "0010-01-01", "start": "0001-01-01", "timezone": "Asia/Tokyo"}, 400, "'start'"),
        ({"language": "tlh"}, 400, "the language is not supported; en, de"),
        ({"timezone": "../etc/passwd"}, 400, "'timezone' is no time zone"),
        ({"section": "gossip"}, 400, "'section' is none of problems"),
    ],
)
def test_refused(client: httpx.Client, values: dict[str, str], status: int, expected: str) -> None:
    """What cannot be meant is refused with its name."""
    answer = client.post(REPORT, json=asked(**values))
    assert answer.status_code == status, answer.text
    assert expected in answer.json()["issue"][0]["diagnostics"]


def test_killed(server: LiveServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies leaves nothing, one that was thought dead and lives stores nothing: there is one document."""
    job = begun(client, REPORT, body=asked(**PERIOD, section="goals"))
    id_ = job.rpartition("/")[2]
    before = count(server)
    with open_pool(server.settings.database_url, size=4) as pool:
        maker = Maker(pool, (server.settings.fhir_base,), None, 1)  # type: ignore[arg-type]
        assert transaction(pool, lambda: jobs.start(id_)) is not None  # and its worker is killed

        def while_another_works(document: Document) -> bytes:
            monkeypatch.setattr(making, "pdf", pdf)
            maker.make(id_)
            return pdf(document)

        monkeypatch.setattr(making, "pdf", while_another_works)
        maker.make(id_)
        maker.make(id_)
    assert count(server) == before + 1
    assert client.get(job).status_code == 200


def count(server: LiveServer) -> int:
    """How many documents are stored."""
    with server.client("system/*.rs") as reader:
        return int(reader.get("/fhir/DocumentReference?patient=ada&_summary=count").json()["total"])


def test_failure_is_told(server: LiveServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that comes to nothing tells its client why, and stores nothing."""

    def broken(document: object) -> bytes:
        raise HealixError(Category.FAULT, "the document could not be made", detail="secret")

    monkeypatch.setattr(making, "pdf", broken)
    before = count(server)
    job = begun(client, REPORT, body=asked(**PERIOD))
    work(server)
    answer = client.get(job)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert count(server) == before


def test_at_once(server: LiveServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not ask for an answer later gets the document, or the job's address when it takes too long."""
    monkeypatch.setattr(operation, "WAIT", 0.4)
    answer = client.post(REPORT, json=asked(**PERIOD))
    assert answer.status_code == 202
    work(server)
    assert client.get(answer.headers["content-location"]).status_code == 200
