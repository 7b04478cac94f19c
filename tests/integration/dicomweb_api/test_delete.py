"""DELETE over HTTP: what it answers, who may, and what follows."""

from __future__ import annotations

import httpx
import psycopg
import pytest
from pydicom.dataset import Dataset

from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body, file_of

LEVELS = ("/studies/{0}", "/studies/{0}/series/{1}", "/studies/{0}/series/{1}/instances/{2}")


def address(level: str, one: Dataset) -> str:
    """The address of a study, a series or an instance."""
    return "/dicomweb" + level.format(one.StudyInstanceUID, one.SeriesInstanceUID, one.SOPInstanceUID)


@pytest.fixture
def one(server: LiveServer, study: list[Dataset]) -> Dataset:
    """The last of the instances of a study that the server holds."""
    with server.client("system/ImagingStudy.c") as client:
        assert client.post(
            "/dicomweb/studies", content=body([file_of(one) for one in study]), headers=HEADERS
        ).is_success
    return study[-1]


@pytest.mark.parametrize(("level", "left"), [(LEVELS[0], 0), (LEVELS[1], 2), (LEVELS[2], 2)])
@pytest.mark.spec("PS3.18 8.5")
def test_deleted(server: LiveServer, database_url: str, one: Dataset, level: str, left: int) -> None:
    """DELETE answers 204, then retrieval and DELETE 410, search finds what is left; it is in the audit trail."""
    path = address(level, one)
    with server.client("system/ImagingStudy.rds") as client:
        done = client.delete(path)
        assert (done.status_code, done.content) == (204, b"")
        asked = [path, f"{path}/metadata", f"{path}/rendered", f"{address(LEVELS[2], one)}/frames/1"]
        assert {client.get(one).status_code for one in asked} == {410}
        assert client.delete(path).status_code == 410
        found = client.get(f"{address(LEVELS[0], one)}/instances")
        assert len(found.json()) == left
    with psycopg.connect(database_url) as connection:
        audited = connection.execute(
            "SELECT outcome, entity FROM audit_event WHERE subtype = 'delete-instances' ORDER BY seq"
        ).fetchall()
    assert audited == [(0, one.StudyInstanceUID)]


@pytest.mark.parametrize("level", LEVELS)
def test_missing(server: LiveServer, one: Dataset, level: str) -> None:
    """What was never there is 404, also to somebody who may see everything."""
    stranger = Dataset()
    stranger.StudyInstanceUID, stranger.SeriesInstanceUID, stranger.SOPInstanceUID = "1.2.3", "1.2.3.1", "1.2.3.1.1"
    with server.client("system/ImagingStudy.rd") as client:
        assert client.delete(address(level, stranger)).status_code == 404
        assert client.get(address(level, stranger)).status_code == 404
        assert client.delete("/dicomweb/studies/1.2.x").status_code == 400


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("scope", "status"),
    [(None, 401), ("system/ImagingStudy.crus", 403), ("patient/ImagingStudy.d", 404), ("system/Patient.d", 403)],
)
def test_refused(server: LiveServer, one: Dataset, level: str, scope: str | None, status: int) -> None:
    """Without a token, without the permission and for another patient nothing is deleted."""
    patient = "somebody-else" if scope and scope.startswith("patient/") else None
    headers = {"Authorization": f"Bearer {server.token(scope, patient=patient)}"} if scope else {}
    with httpx.Client(base_url=server.url, headers=headers) as client:
        assert client.delete(address(level, one)).status_code == status
    with server.client("system/ImagingStudy.s") as client:
        assert len(client.get(f"{address(LEVELS[0], one)}/instances").json()) == 3


def test_held(server: LiveServer, database_url: str, one: Dataset) -> None:
    """A study under legal hold answers 409 and stays."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO study_hold (study_uid, reason) VALUES (%s, 'lawsuit')", [one.StudyInstanceUID])
    with server.client("system/ImagingStudy.rd") as client:
        for level in LEVELS:
            refused = client.delete(address(level, one))
            assert (refused.status_code, "legal hold" in refused.text) == (409, True)
        assert client.get(address(LEVELS[0], one)).status_code == 200
