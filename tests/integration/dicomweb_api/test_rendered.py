"""Rendered resources and thumbnails over a real socket, held to pictures made with pydicom's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import numpy as np
import psycopg
import pydicom
import pytest
from PIL import Image, ImageSequence
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from dicomweb.api import picture as picture_api
from dicomweb.pixel.pool import work_now
from tests.support.dicom import big_endian, data_set, encapsulated, part10, with_pixels
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
COMPRESSED = ["JPEG2000.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm", "693_J2KI.dcm"]
NATIVE = ["CT_small.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "examples_palette.dcm", "liver_1frame.dcm"]
COLOUR = ["SC_ybr_full_422_uncompressed.dcm", "examples_rgb_color.dcm", "SC_rgb_small_odd_big_endian.dcm"]


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of an empty server."""
    with server.client("system/ImagingStudy.cruds") as opened:
        yield opened


def stored(client: httpx.Client, *files: bytes) -> str:
    """The address of the first of these instances, once they are stored."""
    answer = client.post("/dicomweb/studies", content=body(files), headers=HEADERS)
    assert answer.status_code == 200, answer.text
    one = dcmread(BytesIO(files[0]))
    return f"/dicomweb/studies/{one.StudyInstanceUID}/series/{one.SeriesInstanceUID}/instances/{one.SOPInstanceUID}"


def picture(answer: httpx.Response) -> Any:
    """The pixels of an answer that is one picture."""
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(BytesIO(answer.content)))


def expected(one: Dataset) -> Any:
    """The first frame as pydicom decodes it and applies its tables, scaled to eight bits."""
    frame = one.pixel_array if int(one.get("NumberOfFrames", 1)) == 1 else one.pixel_array[0]
    if one.PhotometricInterpretation == "PALETTE COLOR":
        return apply_color_lut(frame, one) >> 8
    if one.SamplesPerPixel == 3:
        return frame
    if one.BitsAllocated == 1:
        return frame * 255
    values = apply_voi_lut(apply_modality_lut(frame, one), one).astype(np.float64)
    low, high = values.min(), values.max()
    if "WindowCenter" in one:  # pydicom scales a window to the range that the stored bits have
        least = -(1 << one.BitsStored - 1) if one.PixelRepresentation else 0
        ends = np.asarray([least, least + (1 << one.BitsStored) - 1])
        low, high = ends * float(one.get("RescaleSlope", 1)) + float(one.get("RescaleIntercept", 0))
    shown = np.rint((values - low) / (high - low) * 255)
    return 255 - shown if one.PhotometricInterpretation == "MONOCHROME1" else shown


@pytest.mark.parametrize("name", NATIVE + COMPRESSED + COLOUR)
@pytest.mark.spec("PS3.18 10.4.1.1.3")
def test_an_image_is_shown_as_its_own_tables_say(client: httpx.Client, name: str) -> None:
    """A rendered instance has the pixels that pydicom makes of it, by an error of one grey value at most."""
    content = (FILES / name).read_bytes()
    shown = picture(client.get(stored(client, content) + "/rendered", params={"accept": "image/png"}))
    wanted = expected(dcmread(BytesIO(content)))
    assert shown.shape == wanted.shape
    assert np.abs(shown.astype(int) - wanted.astype(int)).max() <= 1


def ramp(**elements: Any) -> Dataset:
    """An image whose values rise from left to right, 0 to 63, and by 64 from frame to frame."""
    ds = with_pixels(data_set(**elements), rows=32, columns=64, frames=int(elements.get("NumberOfFrames", 1)), bits=16)
    values = np.tile(np.arange(64, dtype="<u2"), (32, 1))
    ds.PixelData = b"".join((values + 64 * frame).tobytes() for frame in range(int(ds.get("NumberOfFrames", 1))))
    return ds


@pytest.mark.parametrize(
    ("params", "size", "left", "right"),
    [
        ({}, (64, 32), 0, 255),
        ({"window": "32,1,linear"}, (64, 32), 0, 255),
        ({"window": "1000,10,linear-exact"}, (64, 32), 0, 0),
        ({"window": "31.5,1e9,sigmoid"}, (64, 32), 127, 128),
        ({"viewport": "32,32"}, (32, 16), 2, 253),
        ({"viewport": "128,999"}, (128, 64), 0, 255),
        ({"viewport": "32,32,,,-64,32"}, (32, 16), 253, 2),
        ({"viewport": "32,32,-32,0,32,32"}, (32, 32), 130, 255),
        ({"quality": "100", "iccprofile": "displayp3", "annotation": "technique"}, (64, 32), None, None),
    ],
)
@pytest.mark.spec("PS3.18 8.3.5.1")
def test_parameters_change_how_an_image_is_shown(
    client: httpx.Client, params: dict[str, str], size: tuple[int, int], left: int | None, right: int | None
) -> None:
    """Window, viewport with its region (negative: flipped), quality, annotation and profile are heeded."""
    address = stored(client, part10(ramp()))
    shown = picture(client.get(address + "/rendered", params=params | {"accept": "image/png"}))
    assert shown.shape[1::-1] == size
    if left is not None and right is not None:
        assert abs(int(shown[0, 0]) - left) <= 2
        assert abs(int(shown[0, -1]) - right) <= 2
    else:
        assert shown[:16].max() == 255


@pytest.mark.parametrize(
    "params",
    [
        {"window": "1,2"}, {"window": "1,0,linear"}, {"window": "1,2,cubic"}, {"window": "a,b,linear"},
        {"viewport": "10"}, {"viewport": "0,5"}, {"viewport": "99999,5"}, {"viewport": "5,5,"},
        {"viewport": "5,5,0,0,0,1"}, {"quality": "0"}, {"quality": "101"}, {"quality": "x"}, {"iccprofile": "cmyk"},
        {"annotation": "diagnosis"}, {"annotation": ""},
        {"viewport": "10,10,900,0"},
    ],
)  # fmt: skip
def test_parameters_that_mean_nothing_are_refused(client: httpx.Client, params: dict[str, str]) -> None:
    """What is malformed or out of bounds is refused with its reason, for thumbnails too."""
    answer = client.get(stored(client, part10(ramp())) + "/rendered", params=params)
    assert answer.status_code in (400, 409)
    assert answer.json()["error"]


@pytest.mark.spec("PS3.18 8.7.4")
def test_several_frames_move_or_come_as_parts(client: httpx.Client) -> None:
    """GIF moves; JPEG and PNG show the representative frame; as parts there is one for each frame."""
    ds = ramp(NumberOfFrames=3, RepresentativeFrameNumber=2)
    address = stored(client, part10(ds))
    window = {"window": "96.5,192,linear-exact"}
    gif = client.get(address + "/rendered", params=window, headers={"Accept": "image/gif"})
    assert len(list(ImageSequence.Iterator(Image.open(BytesIO(gif.content))))) == 3
    one = client.get(address + "/rendered", params=window, headers={"Accept": "image/png"})
    second = client.get(address + "/frames/2/rendered", params=window, headers={"Accept": "image/png"})
    assert np.array_equal(picture(one), picture(second))
    parts = client.get(address + "/rendered", headers={"Accept": 'multipart/related; type="image/png"'})
    assert parts.content.count(b"\x89PNG\r\n") == 3
    assert client.get(address + "/frames/1,2/rendered", headers={"Accept": "image/png"}).status_code == 406
    assert client.get(address + "/frames/4/rendered").status_code == 404


def test_a_moving_picture_has_bounds(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that are too many or too large to be held together are refused; one of them is not."""
    address = stored(client, part10(ramp(NumberOfFrames=3)))
    for limit, value in (("MOVING", 2), ("MOVING_PIXELS", 3 * 32 * 64 - 1)):
        with monkeypatch.context() as patched:
            patched.setattr(picture_api, limit, value)
            assert client.get(address + "/rendered", headers={"Accept": "image/gif"}).status_code == 413
            assert client.get(address + "/rendered", headers={"Accept": "image/png"}).status_code == 200


@pytest.mark.parametrize("what", ["thumbnail", "rendered", "rendered?annotation=patient"])
def test_a_picture_is_drawn_once(
    server: LiveServer, client: httpx.Client, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A picture that was drawn before is not drawn again; that it is shown is judged and audited each time."""
    address = stored(client, part10(ramp()))
    draw = Mock(side_effect=work_now)
    monkeypatch.setattr(picture_api, "work_now", draw)
    first, again = (client.get(f"{address}/{what}") for _ in range(2))
    assert (first.status_code, first.content) == (200, again.content)
    with server.client("patient/ImagingStudy.rs", patient="someone-else") as other:
        assert other.get(f"{address}/{what}").status_code == 404
    assert draw.call_count == 1
    word = f"retrieve-{what.partition('?')[0]}"
    with psycopg.connect(server.settings.database_url) as connection:
        rows = connection.execute("SELECT count(*) FROM audit_event WHERE subtype = %s AND outcome = 0", (word,))
        assert rows.fetchall() == [(2,)]


@pytest.mark.spec("PS3.18 10.4.1.1.4")
def test_thumbnails_stand_for_each_level(client: httpx.Client) -> None:
    """A thumbnail is one small picture of frame, instance, series or study, told by its tag and sent once."""
    address = stored(client, *(part10(ramp(instance=number)) for number in (1, 2, 3)))
    study, series = address.split("/series/")[0], address.split("/instances/")[0]
    for level in (study, series, address, address + "/frames/1"):
        answer = client.get(level + "/thumbnail")
        assert (answer.headers["content-type"], max(picture(answer).shape)) == ("image/jpeg", 160)
        again = client.get(level + "/thumbnail", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert picture(client.get(study + "/thumbnail", params={"viewport": "40,40"})).shape == (20, 40)
    assert client.get(study + "/thumbnail", params={"viewport": "0,2"}).status_code == 400
    parts = client.get(series + "/rendered", headers={"Accept": 'multipart/related; type="image/jpeg"'})
    assert parts.content.count(b"Content-Type: image/jpeg") == 3


def test_overlays_lie_over_the_image(client: httpx.Client) -> None:
    """The graphics of an overlay are white, at their origin."""
    ds = ramp()
    ds.add_new(0x60000010, "US", 2)
    ds.add_new(0x60000011, "US", 4)
    ds.add_new(0x60000040, "CS", "G")
    ds.add_new(0x60000050, "SS", [3, 1])
    ds.add_new(0x60000100, "US", 1)
    ds.add_new(0x60003000, "OW", b"\x0f\x00")
    shown = picture(client.get(stored(client, part10(ds)) + "/rendered", params={"accept": "image/png"}))
    assert (shown[2, :4].tolist(), shown[3, 0], shown[2, 4]) == ([255] * 4, 0, round(4 / 63 * 255))


@pytest.mark.parametrize("what", ["/rendered", "/thumbnail", "/frames/1"])
def test_broken_pixels_are_refused(client: httpx.Client, what: str) -> None:
    """A compressed frame that no codec reads is told as such, and the server goes on."""
    address = stored(client, encapsulated(with_pixels(data_set(), bits=8), [b"\xff\xd8no image\xff\xd9"]))
    answer = client.get(address + what, headers={"Accept": "image/png, application/octet-stream"})
    assert answer.status_code == 409
    assert "broken" in answer.json()["error"]


def test_what_is_no_image_has_no_picture(client: httpx.Client) -> None:
    """An object without pixels cannot be shown, which is told; a study without any image has no thumbnail."""
    address = stored(client, part10(data_set()))
    assert client.get(address + "/rendered").status_code == 406
    assert client.get(address + "/thumbnail").status_code == 406
    assert client.get(address.split("/series/")[0] + "/thumbnail").status_code == 404


@pytest.mark.parametrize("what", ["/rendered", "/thumbnail", "/frames/1/rendered", "/frames/1/thumbnail"])
def test_pictures_are_for_those_who_may_see_the_study(server: LiveServer, client: httpx.Client, what: str) -> None:
    """Another patient's token finds nothing, a token without the scope and none at all are refused."""
    address = stored(client, big_endian(ramp()))
    with server.client("patient/ImagingStudy.rs", patient="other") as other:
        missing = other.get(address.replace(".1/", ".9/", 1) + what)
        assert (other.get(address + what).status_code, other.get(address + what).json()) == (404, missing.json())
    with server.client("system/Patient.rs") as wrong:
        assert wrong.get(address + what).status_code == 403
    with httpx.Client(base_url=client.base_url) as nobody:
        assert nobody.get(address + what).status_code == 401
