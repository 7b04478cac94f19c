"""ImagingStudy scopes with a query open the studies whose ImagingStudy fulfils it, on every address of DICOMweb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pydicom.dataset import Dataset

from healix_fhir.imaging import bridge
from healix_fhir.kernel.consume import drain
from tests.integration.dicomweb_api.test_access import SEARCH, STORE, address
from tests.integration.dicomweb_api.test_hidden_studies import ACCOUNTS, CARE, FOUND, SHOWN
from tests.support.consents import level
from tests.support.ct import ct_image
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body, file_of

SPEC = (
    "smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters"
)
CT = "ImagingStudy.rs?modality=http://dicom.nema.org/resources/ontology/DCM|CT"
STUDIES = {"computed": "CT", "magnetic": "MR", "other": "CT", "new": "CT"}
"""By name, the modality; `other` is of another patient, and the ImagingStudy of `new` is still to be made."""


class Archive:
    """A server with the studies."""

    def __init__(self, server: LiveServer, directory: Path) -> None:
        self.server = server
        self.images = {name: self._image(directory, n, name) for n, name in enumerate(STUDIES)}
        self.store("computed", "magnetic", "other")
        self.bridge()
        with server.client("system/*.rs") as client:
            found = client.get("/fhir/ImagingStudy?_count=9").json()["entry"]
        self.resources: dict[str, dict[str, Any]] = {}
        for entry in found:
            uid = entry["resource"]["identifier"][0]["value"].removeprefix("urn:oid:")
            self.resources[self.name(uid)] = entry["resource"]
        self.patient = str(self.resources["computed"]["subject"]["reference"]).removeprefix("Patient/")
        self.store("new")

    def _image(self, directory: Path, n: int, name: str) -> Dataset:
        study = f"1.2.840.77.{n}"
        image = ct_image(directory / f"{name}.dcm", study=study, series=f"{study}.1")
        image.Modality, image.AccessionNumber = STUDIES[name], name
        image.PatientID = "P2" if name == "other" else "P1"
        return image

    def name(self, uid: str) -> str:
        """What the study with a UID is called here."""
        return next(name for name, image in self.images.items() if image.StudyInstanceUID == uid)

    def store(self, *names: str) -> None:
        """Store studies."""
        with self.server.client("system/*.c") as client:
            for name in names:
                content = body([file_of(self.images[name])])
                assert client.post("/dicomweb/studies", content=content, headers=HEADERS).is_success

    def bridge(self) -> None:
        """Let the ImagingStudies be made."""
        consumers = {"study": (bridge.studies((self.server.settings.fhir_base,)),), "resource": (bridge.patients,)}
        with psycopg.connect(self.server.settings.database_url, autocommit=True) as connection:
            connection.execute("UPDATE outbox SET due = now()")
            while drain(connection, consumers):
                pass

    def put(self, name: str, **changes: Any) -> None:
        """Change the ImagingStudy of a study."""
        resource = self.resources[name] | changes
        with self.server.client("system/*.cruds") as client:
            assert client.put(f"/fhir/ImagingStudy/{resource['id']}", json=resource).is_success

    def app(self, scopes: str, **owner: str) -> httpx.Client:
        """An app of the patient, or of another `owner`."""
        return self.server.client(scopes, **(owner or {"patient": self.patient}))

    def seen(self, scopes: str, **owner: str) -> set[str]:
        """What a token sees; every address must agree, and answer as of a missing study where it does not."""
        with self.app(scopes, **owner) as client:
            shown = {name for name in STUDIES if self._shows(client, self.images[name])}
            for path in SEARCH[:3]:
                found = client.get(f"/dicomweb{path}").json()
                assert {self.name(match["0020000D"]["Value"][0]) for match in found} == shown
                assert len(client.get(f"/dicomweb{path}?limit=1").json()) == min(len(shown), 1)
        return shown

    def _shows(self, client: httpx.Client, image: Dataset) -> bool:
        answers = {path: client.get(address(path, image)) for path in SHOWN}
        found = {path: client.get(address(path, image)) for path in FOUND if "{" in path}
        shows = answers[SHOWN[0]].is_success
        for path, answer in answers.items():
            absent = client.get("/dicomweb" + path.format("1.2.3", "1.2.4", "1.2.5"))
            assert answer.is_success if shows else (answer.status_code, answer.content) == (404, absent.content), path
        assert [len(answer.json()) for answer in found.values()] == [int(shows)] * len(found)
        return shows


@pytest.fixture
def archive(server: LiveServer, tmp_path: Path) -> Archive:
    """A server with two studies of a patient, one of another patient, and one that is no ImagingStudy yet."""
    return Archive(server, tmp_path)


@pytest.mark.spec(SPEC)
@pytest.mark.parametrize(
    ("scopes", "seen"),
    [
        (f"patient/{CT}", "computed"),
        ("patient/ImagingStudy.rs?modality:not=CT", "magnetic"),
        ("patient/ImagingStudy.rs?modality=CT,MR&status=available", "computed magnetic"),
        ("patient/ImagingStudy.rs?modality=CT&status=registered", ""),
        ("patient/ImagingStudy.rs?modality=CT patient/ImagingStudy.rs?modality=MR", "computed magnetic"),
        ("patient/ImagingStudy.rs?identifier=urn:dicom:uid|urn:oid:1.2.840.77.1", "magnetic"),
        ("patient/ImagingStudy.rs?identifier=magnetic", "magnetic"),
        ("patient/ImagingStudy.rs?instance:missing=true", ""),
        ("patient/ImagingStudy.rs?started=2026", "computed magnetic"),
        (f"system/{CT}", "computed other"),
        (f"system/{CT} patient/ImagingStudy.rs?modality=MR", "computed other magnetic"),
        (f"system/{CT} patient/*.rs", "computed other magnetic new"),
    ],
)
def test_only_studies_that_fulfil_the_query_are_seen(archive: Archive, scopes: str, seen: str) -> None:
    """Of the patients of its context, a query opens the studies whose ImagingStudy it finds."""
    assert archive.seen(scopes) == set(seen.split())


@pytest.mark.spec(SPEC)
def test_what_is_not_represented_is_not_seen_yet(archive: Archive) -> None:
    """A study is seen as soon as its ImagingStudy is there, while that fulfils the query, and until it is deleted."""
    assert archive.seen(f"patient/{CT}") == {"computed"}
    archive.bridge()
    assert archive.seen(f"patient/{CT}") == {"computed", "new"}
    wanted = "patient/ImagingStudy.rs?_tag=urn:tags|teaching"
    assert archive.seen(wanted) == set()
    archive.put("magnetic", meta={"tag": [{"system": "urn:tags", "code": "teaching"}]})
    assert archive.seen(wanted) == {"magnetic"}
    archive.put("magnetic")
    assert archive.seen(wanted) == set()
    with archive.server.client("system/*.d") as client:
        assert client.delete(f"/fhir/ImagingStudy/{archive.resources['computed']['id']}").status_code == 204
    assert archive.seen(f"patient/{CT}") == {"new"}


@pytest.mark.spec(SPEC)
def test_a_query_opens_no_more_than_care_and_labels_do(archive: Archive) -> None:
    """A clinician finds by a query the studies of patients in care, without those that a label hides."""
    with psycopg.connect(archive.server.settings.database_url, autocommit=True) as connection:
        connection.execute(ACCOUNTS)
        assert archive.seen(f"user/{CT}", username="doc") == set()
        connection.execute(CARE, (archive.patient,))
    assert archive.seen(f"user/{CT}", username="doc") == {"computed"}
    archive.put("computed", meta={"security": [level("R")]})
    assert archive.seen(f"user/{CT}", username="doc") == set()
    assert archive.seen(f"user/{CT}", username="trusted") == {"computed"}
    assert archive.seen(f"patient/{CT}") == {"computed"}


@pytest.mark.spec(SPEC)
def test_permissions_have_queries_of_their_own(archive: Archive) -> None:
    """What may be retrieved and what may be found are bounded each by itself."""
    with archive.app("patient/ImagingStudy.s?modality=CT patient/ImagingStudy.r?modality=MR") as client:
        found = client.get("/dicomweb/studies").json()
        assert [archive.name(match["0020000D"]["Value"][0]) for match in found] == ["computed"]
        read = {name: client.get(address("/studies/{0}", image)).status_code for name, image in archive.images.items()}
    assert read == {"computed": 404, "magnetic": 200, "other": 404, "new": 404}


@pytest.mark.parametrize("path", STORE)
def test_nothing_is_stored_under_a_query(archive: Archive, path: str) -> None:
    """Storing is refused by name to who may create under a query only: nobody knows yet whether it will hold."""
    with archive.app("patient/ImagingStudy.crs?modality=CT") as client:
        content = body([file_of(archive.images["computed"])])
        answer = client.post(address(path, archive.images["computed"]), content=content, headers=HEADERS)
    assert answer.status_code == 403
    assert "storing images needs a scope on ImagingStudy without a query" in answer.text
