"""A research token sees the copies of its project on every path, and nothing of the originals or of FHIR."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from pydicom import dcmread

from dicomweb.non_patient.models import WORDS
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import run
from healix_fhir.server.composition import consumers
from smart_auth import research
from smart_auth.oauth.clients import NewClient, create_client
from smart_auth.store import CHANNEL, create_token
from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.live_server import LiveServer
from tests.support.non_patient import hanging
from tests.support.research import OPERATOR, seeded
from tests.support.stow import HEADERS, body

pytestmark = pytest.mark.spec("PS3.15 E.1.1 (2026c)")
SECRETS = (b"Zimmermann", b"ZIMMERMANN", b"MRN4711", b"ACC4711", b"Krankenhaus", b"House", b"20260102", uid(1).encode())
ANY = {"Accept": "*/*"}


@dataclass
class Trial:
    """A server with one study and its copy: the token of the project, and the UIDs of the copy."""

    server: LiveServer
    token: str
    uids: tuple[str, str, str]

    def client(self, token: str | None = None) -> httpx.Client:
        """A client with the token of research, or another one."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.server.url, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def trial(server: LiveServer) -> Trial:
    """The project `trial`."""
    source = with_pixels(
        data_set(
            PatientName="Zimmermann^Eva", PatientID="MRN4711", AccessionNumber="ACC4711", InstitutionName="Krankenhaus",
            PatientComments="Frau Zimmermann",
        ),
        rows=64, columns=64,
    )  # fmt: skip
    with server.client("system/*.cruds") as everything:
        answer = everything.post("/dicomweb/studies", content=body([part10(source)]), headers=HEADERS)
        assert answer.is_success, answer.text
    settings = server.settings
    project = seeded(settings.database_url, settings.data_dir, "trial", [uid(1)])
    with psycopg.connect(settings.database_url) as connection:
        while drain(connection, consumers(settings)):
            pass
    token = server.token("system/ImagingStudy.rs", project="trial", client="analysis")
    keys = project.keys
    return Trial(server, token, (keys.uid(uid(1)), keys.uid(uid(1, 1)), keys.uid(uid(1, 1, 1))))


PATHS = (
    "/studies", "/series", "/instances", "/studies?includefield=all", "/studies?PatientName=*&fuzzymatching=true",
    "/studies/count", "/studies/{0}", "/studies/{0}/metadata", "/studies/{0}/series", "/studies/{0}/instances",
    "/studies/{0}/rendered", "/studies/{0}/thumbnail", "/studies/{0}/series/{1}", "/studies/{0}/series/{1}/metadata",
    "/studies/{0}/series/{1}/instances/{2}", "/studies/{0}/series/{1}/instances/{2}/metadata",
    "/studies/{0}/series/{1}/instances/{2}/frames/1", "/studies/{0}/series/{1}/instances/{2}/bulkdata/7FE00010",
    "/studies/{0}/series/{1}/instances/{2}/rendered", "/studies/{0}/series/{1}/instances/{2}/thumbnail",
    "/wado?requestType=WADO&studyUID={0}&seriesUID={1}&objectUID={2}",
    "/wado?requestType=WADO&studyUID={0}&seriesUID={1}&objectUID={2}&contentType=application/dicom",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_path_has_the_copy_and_nothing_of_the_original(trial: Trial, path: str) -> None:
    """What an address tells of the copy has no identifier; of the original it tells nothing."""
    with trial.client() as client:
        answer = client.get("/dicomweb" + path.format(*trial.uids), headers=ANY)
        assert answer.status_code in (200, 206), answer.text
        assert not [one for one in SECRETS if one in answer.content]
        if "{0}" in path:
            original = client.get("/dicomweb" + path.format(uid(1), uid(1, 1), uid(1, 1, 1)), headers=ANY)
            missing = client.get("/dicomweb" + path.format(uid(8), uid(8, 1), uid(8, 1, 1)), headers=ANY)
            assert (original.status_code, original.content) == (missing.status_code, missing.content)
            assert original.status_code in (200, 204, 404)
            assert not [one for one in SECRETS[:-1] if one in original.content]


def test_a_zip_file_has_the_copy(trial: Trial) -> None:
    """The file-set of a copy, with its directory, has no identifier either."""
    with trial.client() as client:
        answer = client.get(f"/dicomweb/studies/{trial.uids[0]}", headers={"Accept": "application/zip"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as file:
        for name in file.namelist():
            assert not [one for one in SECRETS if one in file.read(name)]
        image = dcmread(io.BytesIO(file.read("DICOM/SE000001/IM000001")))
    assert (image.PatientIdentityRemoved, image.StudyInstanceUID) == ("YES", trial.uids[0])
    assert str(image.PatientName) == image.PatientID


@pytest.mark.parametrize(
    "key",
    [
        "PatientID=MRN4711", "PatientID=MRN*", "PatientName=Zimmermann*", "PatientName=zimerman&fuzzymatching=true",
        "AccessionNumber=ACC4711", f"StudyInstanceUID={uid(1)}", "StudyDate=20260102", "InstitutionName=Kranken*",
        "PatientBirthDate=19700203", f"SOPInstanceUID={uid(1, 1, 1)}",
    ],
)  # fmt: skip
def test_original_identifiers_are_no_oracle(trial: Trial, key: str) -> None:
    """A search by what the original says finds as much as one by what nobody has."""
    with trial.client() as client:
        found = client.get(f"/dicomweb/studies?{key}")
        counted = client.get(f"/dicomweb/studies/count?{key}")
    assert (found.status_code, found.json()) == (200, [])
    assert counted.json() == {"count": 0}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/fhir/ImagingStudy"), ("GET", "/fhir/Patient"), ("GET", "/fhir/Patient/x"),
        ("GET", "/fhir/ImagingStudy?identifier=urn:oid:1"), ("GET", "/fhir/Organization"), ("POST", "/fhir"),
        ("GET", "/fhir/_history"), ("POST", "/fhir/Patient/_search"), ("GET", "/fhir/$export"),
        ("GET", "/fhir/AuditEvent"), ("GET", "/fhir/Binary/x"), ("PUT", "/fhir/Patient/x"),
    ],
)  # fmt: skip
def test_no_resource_is_open(trial: Trial, method: str, path: str) -> None:
    """FHIR refuses a research token by name, whatever it asks."""
    content: Any = {"resourceType": "Bundle", "type": "batch", "entry": []} if path == "/fhir" else {}
    with trial.client() as client:
        sent = {"json": content} if method in ("PUT", "POST") and "_search" not in path else {}
        answer = client.request(method, path, headers={"Content-Type": "application/fhir+json"} if sent else {}, **sent)
    assert answer.status_code == 403
    assert "research token" in answer.text
    assert not [one for one in SECRETS if one in answer.content]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/studies"), ("DELETE", "/studies/{0}"), ("GET", "/workitems"), ("POST", "/workitems"),
    ],
)  # fmt: skip
def test_nothing_is_changed(trial: Trial, method: str, path: str) -> None:
    """A research token neither stores nor deletes, and sees no worklist."""
    with trial.client() as client:
        headers = HEADERS if path == "/studies" else {"Content-Type": "application/dicom+json"}
        content = body([part10(data_set(7))]) if path == "/studies" else b"[{}]"
        address = "/dicomweb" + path.format(*trial.uids)
        answer = client.request(method, address, headers=headers, content=content if method == "POST" else None)
    assert answer.status_code == 403


@pytest.mark.spec("PS3.18 12")
@pytest.mark.parametrize("category", WORDS)
def test_objects_of_no_patient_are_not_open(trial: Trial, category: str) -> None:
    """They are of no project: a research token with a system scope neither finds, reads, stores nor deletes them, and
    cannot tell whether there are any.
    """
    with trial.server.client("system/*.cruds") as everything:
        content = body([part10(hanging(61))])
        assert everything.post("/dicomweb/hanging-protocols", content=content, headers=HEADERS).is_success
        there = everything.get("/dicomweb/hanging-protocols").json()[0]["00080018"]["Value"][0]
    with trial.client() as client:
        answers = [
            client.request(method, f"/dicomweb/{category}{path}", headers=HEADERS if method == "POST" else ANY)
            for method, path in (
                ("GET", ""), ("GET", f"/{there}"), ("GET", "/1.2.3"), ("POST", ""), ("DELETE", f"/{there}"),
            )
        ]  # fmt: skip
    assert {answer.status_code for answer in answers} == {403}
    assert "research token" in answers[0].text


def test_the_trail_names_the_project(trial: Trial) -> None:
    """What a research token looked at is audited under its project, by the UID of the copy, and of no patient."""
    with trial.client() as client:
        assert client.get(f"/dicomweb/studies/{trial.uids[0]}/metadata").is_success
    with psycopg.connect(trial.server.settings.database_url) as connection:
        rows = connection.execute(
            "SELECT client, patient FROM audit_event WHERE entity = %s AND subtype = 'retrieve-metadata'",
            (trial.uids[0],),
        ).fetchall()
    assert ("analysis for research/trial", None) in rows


def test_the_bridge_makes_nothing_of_a_copy(trial: Trial) -> None:
    """A copy gets no Patient and no ImagingStudy; that of the original is as it was."""
    with trial.server.client("system/*.rs") as client:
        studies = client.get("/fhir/ImagingStudy").json()
        patients = client.get("/fhir/Patient").text
        assert client.get("/dicomweb/studies").json()[0]["0020000D"]["Value"] == [uid(1)]
    assert [one["resource"]["identifier"][0]["value"] for one in studies["entry"]] == [f"urn:oid:{uid(1)}"]
    assert "Zimmermann" in patients
    assert "HX" not in patients


def test_an_app_becomes_one_of_research_at_once(trial: Trial) -> None:
    """Bound to a project, an app's living tokens see its copies alone; an app that may ask for more is not bound."""
    settings = trial.server.settings
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        callback = ("http://127.0.0.1/cb",)
        wide_id, _ = run(connection, create_client(NewClient("Wide", "user/*.rs", "none", callback)))
        narrow = NewClient("Narrow", "user/ImagingStudy.rs openid", "none", callback)
        narrow_id, _ = run(connection, create_client(narrow))
        token = run(connection, create_token("system/ImagingStudy.rs", client=narrow_id))
        with trial.client(token) as client:
            assert [one["0020000D"]["Value"][0] for one in client.get("/dicomweb/studies").json()] == [uid(1)]
            with pytest.raises(Exception, match="an app of research"):
                run(connection, research.bind(wide_id, "trial", OPERATOR, CHANNEL))
            run(connection, research.bind(narrow_id, "trial", OPERATOR, CHANNEL))
            for _ in range(100):
                found = [one["0020000D"]["Value"][0] for one in client.get("/dicomweb/studies").json()]
                if found != [uid(1)]:
                    break
            assert found == [trial.uids[0]]
            assert client.get("/fhir/ImagingStudy").status_code == 403
