"""An app finds a patient's studies and their images with one token, as SMART Imaging Access describes."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from pydicom.dataset import Dataset

from healix_fhir.imaging import bridge
from healix_fhir.kernel.consume import drain
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body, file_of

FULL = {"Accept": "multipart/related; type=application/dicom; transfer-syntax=*"}


@pytest.fixture
def stored(server: LiveServer, study: list[Dataset]) -> str:
    """A study of three images, with its ImagingStudy; the logical id of its patient."""
    with server.client("system/*.cruds") as client:
        answer = client.post("/dicomweb/studies", content=body([file_of(one) for one in study]), headers=HEADERS)
        assert answer.status_code == 200, answer.text
        with psycopg.connect(server.settings.database_url, autocommit=True) as connection:
            consumers = {"study": (bridge.studies((server.settings.fhir_base,)),), "resource": (bridge.patients,)}
            while drain(connection, consumers):
                pass
        (found,) = client.get("/fhir/ImagingStudy").json()["entry"]
    return str(found["resource"]["subject"]["reference"].removeprefix("Patient/"))


def studies(server: LiveServer, scope: str, **owner: Any) -> list[dict[str, Any]]:
    """What an app with a token finds when it asks as the guide says."""
    with server.client(scope, **owner) as client:
        params = {"patient": owner["patient"], "_include": "ImagingStudy:endpoint"}
        answer = client.get("/fhir/ImagingStudy", params=params)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", []) if entry["search"]["mode"] == "match"]


@pytest.mark.spec("SMART Imaging Access 0.1.0 specification.html#retrieving-images")
@pytest.mark.parametrize("scope", ["patient/ImagingStudy.rs", "patient/ImagingStudy.read", "patient/*.rs"])
def test_one_token_for_studies_and_images(server: LiveServer, stored: str, study: list[Dataset], scope: str) -> None:
    """The token that finds a study opens its images, whole and in parts, at the address that the study names."""
    (found,) = studies(server, scope, patient=stored)
    (contained,) = found["contained"]
    assert found["endpoint"] == [{"reference": f"#{contained['id']}"}, {"reference": f"Endpoint/{contained['id']}"}]
    base = f"{contained['address']}/studies/{found['identifier'][0]['value'].removeprefix('urn:oid:')}"
    assert contained["address"].startswith(server.url)
    with server.client(scope, patient=stored) as client:
        whole = client.get(base, headers=FULL)
        assert whole.status_code == 200
        assert whole.headers["content-type"].startswith("multipart/related")
        assert whole.content.count(b"DICM") == len(study)
        series = f"/series/{study[0].SeriesInstanceUID}"
        image = f"{series}/instances/{study[0].SOPInstanceUID}"
        for part in ("/metadata", series, image, f"{image}/frames/1", f"{image}/rendered"):
            assert client.get(f"{base}{part}").status_code == 200, part


@pytest.mark.spec("SMART Imaging Access 0.1.0 specification.html#authorization")
def test_no_other_token_opens_them(server: LiveServer, stored: str, study: list[Dataset]) -> None:
    """Another patient's token, one without ImagingStudy, and none at all get no study and no image."""
    base = f"{server.url}/dicomweb/studies/{study[0].StudyInstanceUID}"
    assert studies(server, "patient/ImagingStudy.rs", patient="somebody-else") == []
    for scope, patient, status in (
        ("patient/ImagingStudy.rs", "somebody-else", 404),
        ("patient/Patient.rs", stored, 403),
        (None, None, 401),
    ):
        owner = {"patient": patient} if patient else {}
        with server.client(scope, **owner) as client:
            for part in ("", "/metadata", "/rendered"):
                assert client.get(f"{base}{part}", headers={} if part else FULL).status_code == status
