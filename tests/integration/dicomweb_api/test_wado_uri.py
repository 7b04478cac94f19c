"""WADO-URI over a real socket: the object, a picture of it, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import httpx
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from tests.support.dicom import data_set, part10, uid, with_pixels
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body

ONE = {"requestType": "WADO", "studyUID": uid(1), "seriesUID": uid(1, 1), "objectUID": uid(1, 1, 1)}
NO_IMAGE = ONE | {"objectUID": uid(1, 1, 2)}
FILE = part10(with_pixels(data_set(), rows=32, columns=64, frames=2))


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of a server that holds an image of two frames, and an object without pixels."""
    with server.client("system/ImagingStudy.cruds") as opened:
        assert opened.post(
            "/dicomweb/studies", content=body([FILE, part10(data_set(instance=2))]), headers=HEADERS
        ).is_success
        yield opened


@pytest.mark.spec("PS3.18 9.4")
def test_the_object_comes_as_it_is_stored_or_in_the_syntax_asked_for(client: httpx.Client) -> None:
    """contentType=application/dicom gets the file, transferSyntax another form of it; what is no image comes so."""
    answer = client.get("/dicomweb/wado", params=ONE | {"contentType": "application/dicom"})
    assert answer.content == FILE
    other = {"contentType": "application/dicom", "transferSyntax": "1.2.840.10008.1.2.4.80"}
    packed = dcmread(BytesIO(client.get("/dicomweb/wado", params=ONE | other).content))
    assert packed.file_meta.TransferSyntaxUID == other["transferSyntax"]
    assert client.get("/dicomweb/wado", params=NO_IMAGE).headers["content-type"].startswith("application/dicom;")
    other["transferSyntax"] = "1.2.840.10008.1.2.4.50"
    assert client.get("/dicomweb/wado", params=ONE | other).status_code == 406


@pytest.mark.spec("PS3.18 9.5.2")
def test_an_image_of_one_frame_has_no_frame_number(client: httpx.Client) -> None:
    """Also its first frame is refused with a frameNumber, and it is told how to ask."""
    single = body([part10(with_pixels(data_set(instance=3), frames=1))])
    assert client.post("/dicomweb/studies", content=single, headers=HEADERS).is_success
    wanted = ONE | {"objectUID": uid(1, 1, 3)}
    refused = client.get("/dicomweb/wado", params=wanted | {"frameNumber": "1"})
    assert refused.status_code == 400
    assert "without frameNumber" in refused.text
    assert client.get("/dicomweb/wado", params=wanted).headers["content-type"] == "image/jpeg"


@pytest.mark.spec("PS3.18 9.5")
@pytest.mark.parametrize(
    ("params", "kind", "size"),
    [
        ({}, "image/jpeg", (64, 32)),
        (
            {"contentType": "image/png", "frameNumber": "2", "windowCenter": "9", "windowWidth": "4"},
            "image/png",
            (64, 32),
        ),
        ({"contentType": "image/tiff, image/gif", "rows": "16"}, "image/gif", (32, 16)),
        (
            {"columns": "32", "region": "0.5,0,1,1", "imageQuality": "80", "annotation": "patient"},
            "image/jpeg",
            (32, 32),
        ),
        ({"columns": "128"}, "image/jpeg", (128, 64)),
        ({"rows": "64", "columns": "96"}, "image/jpeg", (96, 48)),
        ({"region": "0.5,0,1,0.5"}, "image/jpeg", (32, 16)),
        ({"region": "0.5,0,1,0.5", "rows": "8"}, "image/jpeg", (16, 8)),
    ],
)
def test_images_come_as_pictures(
    client: httpx.Client, params: dict[str, str], kind: str, size: tuple[int, int]
) -> None:
    """An image is a JPEG unless another type is asked for; frame, window, size and region are heeded."""
    answer = client.get("/dicomweb/wado", params=ONE | params)
    assert answer.headers["content-type"] == kind
    assert Image.open(BytesIO(answer.content)).size == size
    if "frameNumber" in params:
        same = client.get(
            f"/dicomweb/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}/frames/2/rendered",
            params={"window": "9,4,linear", "accept": "image/png"},
        )
        assert np.array_equal(
            np.asarray(Image.open(BytesIO(answer.content))), np.asarray(Image.open(BytesIO(same.content)))
        )


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"requestType": "QIDO"}, 400),
        ({"objectUID": ""}, 400),
        ({"objectUID": "../1"}, 400),
        ({"objectUID": uid(9)}, 404),
        ({"frameNumber": "3"}, 400),
        ({"frameNumber": "1,2"}, 400),
        ({"frameNumber": "x"}, 400),
        ({"windowCenter": "3"}, 400),
        ({"region": "0,0,2,1"}, 400),
        ({"region": "a"}, 400),
        ({"region": "0,0,nan,1"}, 400),
        ({"rows": "0"}, 400),
        ({"columns": "8193"}, 400),
        ({"columns": ""}, 400),
        ({"anonymize": "no"}, 400),
        ({"presentationUID": "1.2"}, 400),
        ({"presentationUID": "1.2", "presentationSeriesUID": "1.3"}, 400),
        ({"presentationUID": uid(1, 1, 1), "presentationSeriesUID": uid(1, 1), "frameNumber": "1"}, 400),
        ({"contentType": "application/dicom", "windowCenter": "5", "windowWidth": "5"}, 400),
    ],
)
def test_what_cannot_be_answered_is_refused(client: httpx.Client, params: dict[str, str], status: int) -> None:
    """Each parameter that is missing, malformed or refused by name is refused with its reason."""
    answer = client.get("/dicomweb/wado", params=ONE | params)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]


@pytest.mark.spec("PS3.18 8.3; PS3.18 9.4")
def test_what_only_pictures_have_is_ignored_of_files(client: httpx.Client) -> None:
    """Rows are no parameter of the transaction that gets the file, and said to be ignored."""
    answer = client.get("/dicomweb/wado", params=ONE | {"contentType": "application/dicom", "rows": "5"})
    assert answer.content == FILE
    assert answer.headers["warning"].endswith("were ignored: rows")


@pytest.mark.spec("PS3.18 9.5.1.2.5")
@pytest.mark.parametrize("rows", ["0000000019999999", "9" * 5000, "8193", "0", "-1", "\u0663"])
def test_no_picture_is_larger_than_may_be(client: httpx.Client, rows: str) -> None:
    """However the number is written."""
    assert client.get("/dicomweb/wado", params=ONE | {"rows": rows}).status_code == 400
