"""Pixels that lie: stored as they came, refused where they are to be decoded, and no process falls over them."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from imagecodecs import jpeg2k_encode, jpeg8_encode
from pydicom import dcmread
from pydicom.uid import UID, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from tests.support.dicom import data_set, encapsulated, part10, with_pixels
from tests.support.live_server import LiveServer, live_server
from tests.support.stow import HEADERS, body

SIDE = 64
GREY = np.arange(SIDE * SIDE, dtype="u1").reshape(SIDE, SIDE)
JPEG = bytes(jpeg8_encode(GREY))
J2K = bytes(jpeg2k_encode(GREY, codecformat="J2K", reversible=True))
HUGE = (60_000).to_bytes(2, "big")
GROWTH = 400 << 20
"""Bytes that a process may hold more, at its peak, after all of these."""


def frame_size(at: int) -> bytes:
    """The JPEG with another height and width in its frame header."""
    return JPEG[: at + 5] + HUGE + HUGE + JPEG[at + 9 :]


def tile_size() -> bytes:
    """The J2K with another size in its SIZ marker."""
    at = J2K.index(b"\xff\x51") + 6
    return J2K[:at] + (2**31 - 1).to_bytes(4, "big") * 2 + J2K[at + 8 :]


FRAMES = {
    "no JPEG": (JPEGBaseline8Bit, b"\xff\xd8" + bytes(100)),
    "a JPEG cut off": (JPEGBaseline8Bit, JPEG[: len(JPEG) // 8]),
    "a JPEG without tables": (
        JPEGBaseline8Bit,
        JPEG.replace(b"\xff\xdb", b"\xff\xfe").replace(b"\xff\xc4", b"\xff\xfe"),
    ),
    "a JPEG of 60,000 by 60,000": (JPEGBaseline8Bit, frame_size(JPEG.index(b"\xff\xc0"))),
    "no J2K": (JPEG2000Lossless, b"\xff\x4f\xff\x51" + bytes(100)),
    "a J2K cut off in its header": (JPEG2000Lossless, J2K[:60]),
    "a J2K of 2 billion by 2 billion": (JPEG2000Lossless, tile_size()),
    "a J2K of other pixels": (JPEG2000Lossless, bytes(jpeg2k_encode(GREY[:8, :8], codecformat="J2K", reversible=True))),
    "no RLE": (RLELossless, b"\xff" * 64 + bytes(100)),
    "an RLE of 15 segments": (RLELossless, b"\x0f\0\0\0" + b"\x40\0\0\0" * 15 + b"\x81\0" * 50),
    "an RLE that runs on": (RLELossless, b"\1\0\0\0\x40\0\0\0" + bytes(56) + b"\x81\0" * 4000),
}
"""A transfer syntax, and a frame that is none, or not of 64 by 64 pixels."""

ASKED = {
    "rendered": "*/*",
    "thumbnail": "*/*",
    "frames/1": 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1',
    "frames/1/rendered": "image/png",
}


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server for all of them."""
    with live_server(module_database_url, tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of it."""
    with server.client("system/ImagingStudy.cruds") as opened:
        yield opened


def lying(number: int, syntax: str, frame: bytes) -> bytes:
    """An image of one compressed frame that says it is 64 by 64."""
    ds = with_pixels(data_set(900, 1, number), rows=SIDE, columns=SIDE, bits=8)
    file = dcmread(BytesIO(encapsulated(ds, [frame])))
    file.file_meta.TransferSyntaxUID = UID(syntax)
    out = BytesIO()
    file.save_as(out, enforce_file_format=True)
    return out.getvalue()


@pytest.mark.spec("PS3.18 10.4.3")
@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_that_is_none_is_refused(server: LiveServer, client: httpx.Client, name: str) -> None:
    """It is kept as it came; what needs its pixels is answered 409 in a sentence, in bounded memory."""
    file = lying(list(FRAMES).index(name) + 1, *FRAMES[name])
    stored = client.post("/dicomweb/studies", content=body([file]), headers=HEADERS)
    assert stored.status_code == 200, stored.text
    path = stored.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    before = psutil.Process().memory_info().rss
    for what, accept in ASKED.items():
        answer = client.get(f"{path}/{what}", headers={"Accept": accept})
        assert answer.status_code == 409, (what, answer.status_code, answer.content[:200])
        assert answer.json()["error"]
    assert psutil.Process().memory_info().rss - before < GROWTH
    assert client.get("/healthz").status_code == 200
    assert list((server.settings.data_dir / "images").rglob("*.tmp")) == []


@pytest.mark.spec("PS3.18 I.2.2")
@pytest.mark.parametrize(
    ("rows", "columns", "frames"), [(65_535, 65_535, 1), (8, 8, 2**31 - 1), (65_535, 65_535, 2**31 - 1)]
)
def test_a_size_beyond_its_pixels_is_refused(
    server: LiveServer, client: httpx.Client, rows: int, columns: int, frames: int
) -> None:
    """Rows, columns and frames whose product is not what is there are told as not understood, and nothing is kept."""
    kept = files(server)
    ds = with_pixels(data_set(901, 1, rows + 1))
    ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, frames
    answer = client.post("/dicomweb/studies", content=body([part10(ds)]), headers=HEADERS)
    assert answer.status_code == 409, answer.text
    assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xC000]
    assert files(server) == kept


@pytest.mark.spec("PS3.18 8.6.1.2")
def test_a_hundred_thousand_parts_are_too_many(server: LiveServer, client: httpx.Client) -> None:
    """Beyond the limit a request of countless parts is 413, and nothing of it is kept."""
    kept = files(server)
    before = psutil.Process().memory_info().rss
    answer = client.post("/dicomweb/studies", content=countless(), headers={"Content-Type": PLAIN})
    assert answer.status_code == 413, answer.text
    assert files(server) == kept
    assert psutil.Process().memory_info().rss - before < GROWTH


PLAIN = 'multipart/related; type="application/dicom"; boundary=b'
PART = b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n"


def countless() -> Iterator[bytes]:
    """A body of 100,010 parts of another type than DICOM."""
    for _ in range(10_001):
        yield PART * 10
    yield b"--b--\r\n"


def files(server: LiveServer) -> list[Path]:
    """Every file of the archive."""
    return sorted(path for path in (server.settings.data_dir / "images").rglob("*") if path.is_file())
