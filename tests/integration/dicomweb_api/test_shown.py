"""The audit trail says that something was shown where it was shown, and not where the request was refused."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from pydicom.uid import MPEG4HP41

from tests.support.dicom import data_set, encapsulated, part10, uid, with_pixels
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body

pytestmark = pytest.mark.spec("PS3.15 A.5.3.6")
STUDY = f"/dicomweb/studies/{uid(1)}"
SERIES = f"{STUDY}/series/{uid(1, 1)}"
IMAGE, FRAMES, NOTHING, VIDEO = (f"{SERIES}/instances/{uid(1, 1, number)}" for number in (1, 2, 3, 4))
WADO = f"/dicomweb/wado?requestType=WADO&studyUID={uid(1)}&seriesUID={uid(1, 1)}&objectUID={uid(1, 1, 1)}"


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of a server with two images, an object that is none, and a video that is no MP4 file."""
    files = [
        part10(with_pixels(data_set())),
        part10(with_pixels(data_set(instance=2), frames=2)),
        part10(data_set(instance=3)),
        encapsulated(with_pixels(data_set(instance=4), bits=8), [b"G" * 188], syntax=MPEG4HP41, count=25),
    ]
    with server.client("system/ImagingStudy.cruds") as opened:
        assert opened.post("/dicomweb/studies", content=body(files), headers=HEADERS).is_success
        yield opened


def shown(server: LiveServer) -> list[tuple[str, str]]:
    """What was read, and of which study or instance."""
    with psycopg.connect(server.settings.database_url) as connection:
        return connection.execute(
            "SELECT subtype, coalesce(query, '') FROM audit_event WHERE action = 'R' AND outcome = 0 ORDER BY seq"
        ).fetchall()


@pytest.mark.parametrize(
    ("address", "accept", "status"),
    [
        (f"{IMAGE}/rendered", "image/tiff", 406),
        (f"{IMAGE}/frames/2/rendered", "*/*", 404),
        (f"{FRAMES}/frames/1,2/rendered", "image/png", 406),
        (f"{IMAGE}/thumbnail", "text/html", 406),
        (f"{FRAMES}/frames/3/thumbnail", "*/*", 404),
        (f"{NOTHING}/rendered", "*/*", 406),
        (f"{NOTHING}/thumbnail", "*/*", 406),
        (f"{VIDEO}/rendered", "*/*", 406),
        (f"{VIDEO}/rendered?quality=80", "*/*", 400),
        (f"{STUDY}/rendered", "text/html", 406),
        (f"{SERIES}/rendered", "image/png", 406),
        (f"{STUDY}/thumbnail", "image/tiff", 406),
        (f"{WADO}&contentType=text/html", "text/html", 406),
        (f"{WADO}&frameNumber=1", "*/*", 400),
    ],
)
def test_what_is_refused_is_not_on_record_as_shown(
    client: httpx.Client, server: LiveServer, address: str, accept: str, status: int
) -> None:
    """A form that there is not, a frame that there is not, a parameter without meaning: nothing was shown."""
    assert client.get(address, headers={"Accept": accept}).status_code == status
    assert shown(server) == []


@pytest.mark.parametrize(
    ("address", "accept", "recorded"),
    [
        (f"{IMAGE}/rendered", "image/png", [("retrieve-rendered", uid(1, 1, 1))]),
        (f"{IMAGE}/thumbnail", "*/*", [("retrieve-thumbnail", uid(1, 1, 1))]),
        (f"{SERIES}/rendered", 'multipart/related; type="image/png"', [("retrieve-rendered", "")]),
        (f"{STUDY}/thumbnail", "*/*", [("retrieve-thumbnail", uid(1, 1, 2))]),
        (WADO, "image/png", [("retrieve-rendered", uid(1, 1, 1))]),
        (WADO, "application/dicom", [("retrieve", uid(1, 1, 1))]),
        (WADO.replace(uid(1, 1, 1), uid(1, 1, 3)), "*/*", [("retrieve", uid(1, 1, 3))]),
    ],
)
def test_what_is_shown_is_on_record(
    client: httpx.Client, server: LiveServer, address: str, accept: str, recorded: list[tuple[str, str]]
) -> None:
    """Once, as what it was shown as, and of a study only what was shown of it."""
    assert client.get(address, headers={"Accept": accept}).status_code in (200, 206)
    assert shown(server) == recorded
