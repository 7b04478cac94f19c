"""Bulk data and pixel data of each level over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.support.dicom import big_endian, data_set, deflated, encapsulated, implicit, part10, rle, uid, with_pixels
from tests.support.live_server import LiveServer
from tests.support.parts import parts
from tests.support.stow import HEADERS, body

OCTETS = "application/octet-stream"
LITTLE, RLE, VIDEO = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.102"
STUDY = f"/dicomweb/studies/{uid(1)}"
SERIES = f"{STUDY}/series/{uid(1, 1)}"
INSTANCE = f"{SERIES}/instances/{uid(1, 1, 1)}"
FILES = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of an empty server."""
    with server.client("system/ImagingStudy.cruds") as opened:
        yield opened


def store(client: httpx.Client, *files: bytes) -> None:
    """Store them."""
    answer = client.post("/dicomweb/studies", content=body(files), headers=HEADERS)
    assert answer.status_code == 200, answer.text


def image(number: int = 1, **pixels: Any) -> Dataset:
    """An image with a private element too large for the metadata."""
    ds = with_pixels(data_set(1, 1, number), **pixels)
    ds.add_new(0x00110010, "LO", "TESTS")
    ds.add_new(0x00111001, "OW", np.arange(1000, dtype="<u2").tobytes())
    return ds


@pytest.mark.spec("PS3.18 10.4.3.3.5")
@pytest.mark.parametrize("level", [STUDY, SERIES, INSTANCE])
def test_all_bulk_data_of_a_level_comes_in_parts(client: httpx.Client, level: str) -> None:
    """Each value is a part that says where it is by itself, and there it is."""
    store(client, part10(image(1)), part10(image(2)))
    found = parts(client.get(level + "/bulkdata", headers={"Accept": f'multipart/related; type="{OCTETS}"'}))
    assert len(found) == (2 if level == INSTANCE else 4)
    for _, where, content in found:
        assert client.get(where, headers={"Accept": OCTETS}).content == content
    same = client.get(level, headers={"Accept": f'multipart/related; type="{OCTETS}"'})
    assert parts(same) == found


@pytest.mark.spec("PS3.18 8.7.3.3.1")
@pytest.mark.parametrize("encode", [part10, implicit, deflated])
def test_values_are_in_little_endian(client: httpx.Client, encode: Any) -> None:
    """What is stored in another encoding is served in little endian, each value under its address."""
    wanted = image()
    store(client, encode(image()))
    for path, value in (("00111001", wanted[0x00111001].value), ("7FE00010", wanted.PixelData)):
        if path == "7FE00010" or encode is not implicit:
            assert client.get(f"{INSTANCE}/bulkdata/{path}", headers={"Accept": OCTETS}).content == value
    assert [content for _, _, content in parts(client.get(f"{INSTANCE}/pixeldata"))] == [wanted.PixelData]


def test_big_endian_values_are_turned(client: httpx.Client) -> None:
    """Words of big endian objects come with their bytes in the other order, wherever they are read in pieces."""
    ds = image(rows=600, columns=1000)
    pixels = ds.PixelData
    words = ds[0x00111001].value
    ds[0x00111001].value = np.frombuffer(words, "<u2").astype(">u2").tobytes()
    store(client, big_endian(ds))
    assert client.get(f"{INSTANCE}/bulkdata/00111001", headers={"Accept": OCTETS}).content == words
    assert parts(client.get(f"{STUDY}/pixeldata"))[0][2] == pixels


@pytest.mark.spec("PS3.18 10.4.3.3.6")
def test_pixel_data_is_uncompressed_or_a_part_for_each_frame(client: httpx.Client) -> None:
    """Compressed pixels come decoded and in one part, and frame by frame in a media type of frames."""
    wanted = with_pixels(data_set(), frames=3)
    store(client, rle(with_pixels(data_set(), frames=3)))
    for level in (STUDY, SERIES, INSTANCE):
        ((kind, where, content),) = parts(client.get(level + "/pixeldata"))
        assert (kind, content) == (f"{OCTETS}; transfer-syntax={LITTLE}", wanted.PixelData)
        assert where.endswith("/bulkdata/7FE00010")
        assert client.get(where, headers={"Accept": OCTETS}).content == wanted.PixelData
        frames = parts(client.get(level + "/pixeldata", headers={"Accept": 'multipart/related; type="image/*"'}))
        assert {kind for kind, _, _ in frames} == {f"image/dicom-rle; transfer-syntax={RLE}"}
        assert [content for _, _, content in frames] == [
            parts(client.get(where, headers={"Accept": 'multipart/related; type="image/dicom-rle"'}))[0][2]
            for _, where, _ in frames
        ]
    assert client.get(f"{INSTANCE}/frames/2/pixeldata", headers={"Accept": OCTETS}).content == wanted.PixelData[128:256]
    raw = client.get(f"{INSTANCE}/bulkdata/7FE00010", headers={"Accept": f"{OCTETS}; transfer-syntax=*"})
    assert raw.content.startswith(b"\xfe\xff\x00\xe0")
    assert client.get(f"{INSTANCE}/bulkdata/7FE00010", headers={"Accept": "image/dicom-rle"}).status_code == 406


@pytest.mark.spec("PS3.18 10.4.3.1")
def test_what_cannot_be_converted_is_left_out_with_a_warning(client: httpx.Client) -> None:
    """Where some images cannot be served as asked the others come as 206 with a warning, none as 406."""
    store(client, part10(with_pixels(data_set(1, 1, 1))), part10(data_set(1, 2, 1)))
    jpeg = f'multipart/related; type="application/dicom"; transfer-syntax={RLE}'
    answer = client.get(STUDY, headers={"Accept": jpeg})
    assert answer.status_code == 206
    assert answer.headers["warning"].startswith("299 ")
    assert [kind for kind, _, _ in parts(answer)] == [f"application/dicom; transfer-syntax={RLE}"]
    assert client.get(f"{STUDY}/series/{uid(1, 2)}", headers={"Accept": jpeg}).status_code == 406
    assert client.get(f"{STUDY}/series/{uid(1, 2)}/pixeldata").status_code == 404
    assert client.get(f"{STUDY}/series/{uid(1, 2)}/bulkdata").status_code == 404


@pytest.mark.spec("PS3.18 8.7.3")
def test_explicit_little_endian_is_the_default(client: httpx.Client) -> None:
    """Who names no transfer syntax gets what is known to all; any is what is stored, to the byte; lossy stays so."""
    files = [implicit(image(1)), rle(image(2)), (FILES / "SC_rgb_jpeg_dcmtk.dcm").read_bytes()]
    store(client, *files)
    answers = parts(client.get(STUDY, headers={"Accept": 'multipart/related; type="application/dicom"'}))
    assert [kind for kind, _, _ in answers] == [f"application/dicom; transfer-syntax={LITTLE}"] * 2
    for number, (_, where, content) in enumerate(answers, 1):
        one, wanted = dcmread(BytesIO(content)), image(number)
        assert (one.PixelData, one.file_meta.TransferSyntaxUID) == (wanted.PixelData, LITTLE)
        again = client.get(where, headers={"Accept": "application/dicom"})
        assert again.content == content
    any_of_them = parts(
        client.get(STUDY, params={"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'})
    )
    assert [content for _, _, content in any_of_them] == files[:2]
    lossy = dcmread(BytesIO(files[2]))
    address = f"/dicomweb/studies/{lossy.StudyInstanceUID}"
    assert parts(client.get(address))[0][2] == files[2]


@pytest.mark.spec("PS3.5 A.4.5")
def test_a_video_is_one_stream(client: httpx.Client) -> None:
    """However its fragments are cut and many its frames, the pixel data of a video is one stream of its media type."""
    stream = [b"\0\0\0\x18ftypmp42" + bytes(100), bytes(range(200))]
    store(client, encapsulated(with_pixels(data_set(), bits=8), stream, syntax=VIDEO, count=25))
    ((kind, _, content),) = parts(client.get(f"{INSTANCE}/pixeldata"))
    assert (kind, content) == (f"video/mp4; transfer-syntax={VIDEO}", b"".join(stream))
    assert client.get(f"{INSTANCE}/bulkdata/7FE00010", headers={"Accept": "video/mp4"}).content == b"".join(stream)
    assert (
        client.get(f"{INSTANCE}/pixeldata", headers={"Accept": f'multipart/related; type="{OCTETS}"'}).status_code
        == 406
    )
    assert client.get(f"{INSTANCE}/frames/1").status_code == 400


def test_a_range_in_a_multipart_is_one_of_the_value(client: httpx.Client) -> None:
    """The part has these bytes of the value and says so, as clients take it; what is beyond the value is 416."""
    store(client, part10(image()))
    address = f"{INSTANCE}/bulkdata/00111001"
    accept = {"Accept": f'multipart/related; type="{OCTETS}"'}
    value = image()[0x00111001].value
    answer = client.get(address, headers=accept | {"Range": "bytes=10-19"})
    assert (answer.status_code, answer.headers["cache-control"]) == (206, "no-store")
    assert [content for _, _, content in parts(answer)] == [value[10:20]]
    assert f"Content-Range: bytes 10-19/{len(value)}\r\n".encode() in answer.content
    whole = client.get(address, headers=accept)
    assert whole.headers["etag"] != answer.headers["etag"]
    stale = client.get(address, headers=accept | {"Range": "bytes=10-19", "If-Range": '"another"'})
    assert (stale.status_code, stale.content) == (200, whole.content)
    beyond = client.get(address, headers=accept | {"Range": f"bytes={len(value)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(value)}")
