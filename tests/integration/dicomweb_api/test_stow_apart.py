"""STOW-RS of metadata and bulk data in parts of their own: what becomes of pictures, videos and documents, and why
some are refused.
"""

from __future__ import annotations

import io
import json
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames

from dicomweb.dicomjson.xml import native_model
from tests.support.dicom import uid
from tests.support.live_server import LiveServer
from tests.support.stow import BOUNDARY, bulk, content_type, metadata, parts
from tests.support.video import elementary, mp4

JSON, XML = "application/dicom+json", "application/dicom+xml"
CLASS = "1.2.840.10008.5.1.4.1.1."
PIXELS, DOCUMENT = "7FE00010", "00420011"
UNDERSTAND, MISMATCH, SYNTAX = 0xC000, 0xA900, 0xC122
GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
DEEP = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
COLOUR = np.arange(144, dtype=np.uint8).reshape(6, 8, 3)
END = b"--%s--\r\n" % BOUNDARY.encode()
NATIVE = bulk("bulk/1", GREY.tobytes())


def model(**further: dict[str, Any]) -> dict[str, Any]:
    """The least that an object says of itself; `further` attributes by tag, with a letter before it."""
    identity = {
        "00080018": {"vr": "UI", "Value": [uid(5, 1, 1)]},
        "0020000D": {"vr": "UI", "Value": [uid(5)]},
        "0020000E": {"vr": "UI", "Value": [uid(5, 1)]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
        "00100020": {"vr": "LO", "Value": ["P5"]},
    }
    return identity | {name[1:]: attribute for name, attribute in further.items()}


def text(tag: str, vr: str, *values: Any) -> dict[str, Any]:
    """Further attributes of `model`."""
    return {f"t{tag}": {"vr": vr, "Value": list(values)}}


def described(**further: Any) -> dict[str, Any]:
    """A model with the description of `GREY`, and its pixel data by reference."""
    numbers = {"00280002": 1, "00280010": 6, "00280011": 8, "00280100": 8, "00280101": 8, "00280102": 7, "00280103": 0}
    given = model(
        **text("00080016", "UI", f"{CLASS}7"),
        **text("00280004", "CS", "MONOCHROME2"),
        t7FE00010={"vr": "OB", "BulkDataURI": "bulk/1"},
    )
    given |= {tag: {"vr": "US", "Value": [number]} for tag, number in numbers.items()}
    return {tag: attribute for tag, attribute in (given | further).items() if attribute is not None}


def pixels(**further: Any) -> dict[str, Any]:
    """A model whose pixel data alone says what it is."""
    return model(t7FE00010={"vr": "OB", "BulkDataURI": "bulk/1"}, **further)


def send(server: LiveServer, content: bytes, kind: str = JSON, path: str = "/dicomweb/studies") -> httpx.Response:
    """Post a request."""
    with server.client("system/ImagingStudy.c") as client:
        return client.post(path, content=content, headers=content_type(kind))


def one(given: dict[str, Any], *sent: tuple[dict[str, str], bytes], **parameters: str) -> bytes:
    """A request with the metadata of one object."""
    return parts(metadata(json.dumps([given]).encode(), **parameters), *sent)


def stored(server: LiveServer, answer: httpx.Response) -> Dataset:
    """The only object that a request brought, and nothing else is in the archive."""
    assert answer.status_code in (200, 202), answer.text
    (item,) = answer.json()["00081199"]["Value"]
    with server.client("system/ImagingStudy.r") as client:
        url = item["00081190"]["Value"][0].replace("http://127.0.0.1:8080", "")
        found = client.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
    assert files(server) == 1
    return dcmread(io.BytesIO(found.content))


def files(server: LiveServer) -> int:
    """How many files the archive holds, also those still coming in."""
    return sum(path.is_file() for path in (server.settings.data_dir / "images").rglob("*"))


def reason(answer: httpx.Response) -> int:
    """Why the only object was refused."""
    found = [item for tag in ("00081198", "0008119A") for item in answer.json().get(tag, {}).get("Value", [])]
    assert len(found) == 1, answer.text
    return int(found[0]["00081197"]["Value"][0])


def jpeg(samples: np.ndarray[Any, Any], **options: Any) -> bytes:
    """A JPEG as pictures on the web are."""
    out = io.BytesIO()
    Image.fromarray(samples).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def gif() -> bytes:
    """An animation of three frames."""
    out = io.BytesIO()
    frames = [Image.fromarray(np.full((6, 8), 100 * n, np.uint8)) for n in range(3)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


@pytest.mark.spec("PS3.18 10.5.1.4")
@pytest.mark.parametrize("inline", [False, True])
def test_uncompressed_pixels(server: LiveServer, inline: bool) -> None:
    """Octets stay as they are, whether they come in a part of their own or inline."""
    given = described()
    if inline:
        given[PIXELS] = {"vr": "OB", "InlineBinary": b64encode(GREY.tobytes()).decode()}
    ds = stored(server, send(server, one(given, *([] if inline else [NATIVE]))))
    assert (ds.PixelData, ds.PatientName, ds.file_meta.TransferSyntaxUID) == (
        GREY.tobytes(),
        "Doe^Jane",
        "1.2.840.10008.1.2.1",
    )


PICTURES: list[tuple[str, Callable[[], bytes | bytearray], str, str, int]] = [
    ("image/jpeg", lambda: jpeg(GREY), "50", "MONOCHROME2", 8),
    ("image/jpeg", lambda: jpeg(COLOUR, subsampling=2), "50", "YBR_FULL_422", 8),
    ("image/jpeg", lambda: imagecodecs.jpeg8_encode(GREY, lossless=True, predictor=1), "70", "MONOCHROME2", 8),
    ("image/jls", lambda: imagecodecs.jpegls_encode(DEEP), "80", "MONOCHROME2", 16),
    ("image/jls", lambda: imagecodecs.jpegls_encode(GREY, level=2), "81", "MONOCHROME2", 8),
    ("image/jp2", lambda: imagecodecs.jpeg2k_encode(DEEP, codecformat="jp2", reversible=True), "90", "MONOCHROME2", 16),
    ("image/jp2", lambda: imagecodecs.jpeg2k_encode(COLOUR, level=40, codecformat="j2k"), "91", "YBR_ICT", 8),
    ("image/jphc", lambda: imagecodecs.htj2k_encode(GREY, reversible=True), "201", "MONOCHROME2", 8),
]  # fmt: skip


@pytest.mark.spec("PS3.18 10.5.2")
@pytest.mark.parametrize(("kind", "made", "syntax", "photometric", "bits"), PICTURES)
def test_a_compressed_picture_is_encapsulated_and_described(
    server: LiveServer, kind: str, made: Callable[[], bytes | bytearray], syntax: str, photometric: str, bits: int
) -> None:
    """A picture stays as it is in the transfer syntax of its stream; what that says is entered, and the class."""
    picture = bytes(made())
    ds = stored(server, send(server, one(pixels(), bulk("bulk/1", picture, kind))))
    assert ds.file_meta.TransferSyntaxUID == f"1.2.840.10008.1.2.4.{syntax}"
    assert (ds.SOPClassUID, ds.PhotometricInterpretation) == (f"{CLASS}7", photometric)
    assert (ds.Rows, ds.Columns, ds.BitsAllocated, ds.HighBit) == (6, 8, bits, bits - 1)
    assert ds.get("LossyImageCompression") == ("01" if syntax in ("50", "81", "91") else None)
    start = picture.find(b"\xff\x4f\xff\x51") if kind == "image/jp2" else 0
    assert picture[start:] in ds.PixelData
    assert (ds.Modality, ds.ConversionType) == ("OT", "WSD")


@pytest.mark.spec("PS3.18 10.5.2")
@pytest.mark.parametrize(
    ("kind", "picture", "wanted"),
    [
        ("image/png", imagecodecs.png_encode(GREY), GREY),
        ("image/png", imagecodecs.png_encode(DEEP), DEEP),
        ("image/png", imagecodecs.png_encode(COLOUR), COLOUR),
        ("image/png", imagecodecs.png_encode(np.dstack([COLOUR, GREY])), COLOUR),
        ("image/gif", gif(), np.stack([np.full((6, 8, 3), 100 * n, np.uint8) for n in range(3)])),
        ("image/jpeg", jpeg(COLOUR, progressive=True), None),
    ],
)  # fmt: skip
def test_a_picture_without_a_transfer_syntax_is_decoded(
    server: LiveServer, kind: str, picture: bytes, wanted: np.ndarray[Any, Any] | None
) -> None:
    """PNG, GIF with all its frames and progressive JPEG become native pixels, without loss and transparency."""
    ds = stored(server, send(server, one(pixels(), bulk("bulk/1", bytes(picture), kind))))
    if wanted is None:
        wanted = imagecodecs.jpeg8_decode(picture)
        assert ds.LossyImageCompression == "01"
    assert ds.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert np.array_equal(ds.pixel_array, wanted)
    assert ds.get("NumberOfFrames", 1) == (3 if kind == "image/gif" else 1)


@pytest.mark.spec("PS3.18 10.5.1.4")
def test_parts_of_one_name_are_frames(server: LiveServer) -> None:
    """Several pictures of the same Content-Location are the frames in their order."""
    frames = [bytes(imagecodecs.jpegls_encode(GREY + n)) for n in range(3)]
    ds = stored(server, send(server, one(pixels(), *(bulk("bulk/1", frame, "image/jls") for frame in frames))))
    assert (ds.NumberOfFrames, ds.SOPClassUID) == (3, f"{CLASS}7.2")
    assert list(generate_frames(ds.PixelData, number_of_frames=3)) == [
        frame + bytes(len(frame) % 2) for frame in frames
    ]


@pytest.mark.spec("PS3.18 10.5.2")
@pytest.mark.parametrize(
    ("kind", "content", "syntax", "frames"),
    [
        ("video/mp4", mp4(64, 48, frames=25, profile=100, level=40), "102", 25),
        ("video/mp4", mp4(64, 48, frames=25, profile=100, level=42), "104", 25),
        ("video/mp4", mp4(64, 48, frames=25, profile=2, level=120, hevc=True), "108", 25),
        ("video/mpeg", elementary(64, 48, frames=7), "100", 7),
    ],
)
def test_a_video_is_encapsulated_and_described(
    server: LiveServer, kind: str, content: bytes, syntax: str, frames: int
) -> None:
    """A video is one fragment, of the transfer syntax of its profile and level, with the time of its frames."""
    ds = stored(server, send(server, one(pixels(), bulk("bulk/1", content, kind))))
    assert ds.file_meta.TransferSyntaxUID == f"1.2.840.10008.1.2.4.{syntax}"
    assert (ds.SOPClassUID, ds.Rows, ds.Columns, ds.NumberOfFrames) == (f"{CLASS}77.1.4.1", 48, 64, frames)
    assert (ds.PhotometricInterpretation, ds.FrameTime, ds.LossyImageCompression) == ("YBR_PARTIAL_420", 40, "01")
    assert content in ds.PixelData


@pytest.mark.spec("PS3.18 10.5.1.4")
@pytest.mark.parametrize(
    ("kind", "sop_class", "modality"),
    [
        ("application/pdf", "104.1", "DOC"),
        ("text/xml", "104.2", "DOC"),
        ("model/stl", "104.3", "M3D"),
        ("model/obj", "104.4", "M3D"),
        ("model/mtl", "104.5", "M3D"),
    ],
)
def test_a_document_is_encapsulated(server: LiveServer, kind: str, sop_class: str, modality: str) -> None:
    """A document is in the class of its type, with type and length, padded to an even one."""
    given = model(**{f"t{DOCUMENT}": {"vr": "OB", "BulkDataURI": "doc"}})
    ds = stored(server, send(server, one(given, bulk("doc", b"odd", kind))))
    assert (ds.SOPClassUID, ds.Modality) == (f"{CLASS}{sop_class}", modality)
    assert (ds.MIMETypeOfEncapsulatedDocument, ds.EncapsulatedDocumentLength) == (kind, 3)
    assert ds.EncapsulatedDocument == b"odd\0"


LATIN = text("00080005", "CS", "ISO_IR 100")


@pytest.mark.spec("PS3.18 10.5.2")
@pytest.mark.spec("PS3.18 I.2.1")
@pytest.mark.parametrize(
    ("given", "tag", "before", "after"),
    [
        (pixels(**text("00280004", "CS", "RGB")), "00280004", "RGB", "YBR_FULL_422"),
        (pixels(**text("00282110", "CS", "00")), "00282110", "00", "01"),
        (pixels(**text("00280006", "US", 1)), "00280006", 1, 0),
        (pixels(**LATIN, **text("00081030", "LO", "Röntgen")), "00080005", "ISO_IR 100", "ISO_IR 192"),
    ],
)  # fmt: skip
def test_what_is_coerced_is_recorded(
    server: LiveServer, given: dict[str, Any], tag: str, before: Any, after: Any
) -> None:
    """What would make pixels or text unreadable is replaced; object and answer tell what was there, with B000."""
    answer = send(server, one(given, bulk("bulk/1", jpeg(COLOUR, subsampling=2), "image/jpeg")))
    assert answer.status_code == 202
    (item,) = answer.json()["00081199"]["Value"]
    assert item["00081196"]["Value"] == [0xB000]
    (told,) = item["04000561"]["Value"]
    ds = stored(server, answer)
    assert ds[tag].value == after
    (record,) = ds.OriginalAttributesSequence
    assert record.ModifiedAttributesSequence[0][tag].value == before
    assert (record.ModifyingSystem, record.ReasonForTheAttributeModification) == ("Healix", "COERCE")
    assert told["04000562"]["Value"] == [record.AttributeModificationDateTime]


STREAM = jpeg(GREY)
PICTURE = bulk("bulk/1", STREAM, "image/jpeg")
ITEMS = bulk("bulk/1", GREY.tobytes(), "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.50")
UNKNOWN = mp4(64, 48, frames=2, profile=100, level=52)
FOREIGN = described(**{PIXELS: {"vr": "OB", "BulkDataURI": "../../../etc/passwd"}})
PATH = described(**{"0020000E": {"vr": "UI", "Value": ["../x"]}})
MODEL = model(**text("00080016", "UI", f"{CLASS}104.1"), t00420011={"vr": "OB", "BulkDataURI": "d"})
GIANT = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x7f\xff\0\0\x7f\xff\x08\x02" + bytes(40)
LOSSLESS = "transfer-syntax=1.2.840.10008.1.2.4.70"
OCTETS = "application/octet-stream; transfer-syntax="
REFUSED: dict[str, tuple[bytes, int]] = {
    "bulk data that no part has": (one(described()), UNDERSTAND),
    "a path for bulk data": (one(FOREIGN), UNDERSTAND),
    "pixels without rows": (one(described(**{"00280010": None}), NATIVE), MISMATCH),
    "pixels too short": (one(described(), bulk("bulk/1", GREY.tobytes()[:-2])), UNDERSTAND),
    "no SOP class": (one(described(**{"00080016": None}), NATIVE), UNDERSTAND),
    "no study": (one(described(**{"0020000D": None}), NATIVE), UNDERSTAND),
    "a path for a series": (one(PATH, NATIVE), UNDERSTAND),
    "rows that are not the picture's": (one(pixels(**text("00280010", "US", 7)), PICTURE), MISMATCH),
    "another transfer syntax": (one(pixels(), bulk("bulk/1", STREAM, f"image/jpeg; {LOSSLESS}")), MISMATCH),
    "big endian": (one(described(), bulk("bulk/1", GREY.tobytes(), f"{OCTETS}1.2.840.10008.1.2.2")), SYNTAX),
    "a picture that is none": (one(pixels(), bulk("bulk/1", b"\xff\xd8\xff but no more", "image/jpeg")), MISMATCH),
    "a PNG that is none": (one(pixels(), bulk("bulk/1", b"\x89PNG\r\n\x1a\n" + bytes(40), "image/png")), MISMATCH),
    "a PNG of 10^9 pixels": (one(pixels(), bulk("bulk/1", GIANT, "image/png")), 0xA700),
    "a video that is none": (one(pixels(), bulk("bulk/1", b"text", "video/mp4")), MISMATCH),
    "a video that DICOM does not know": (one(pixels(), bulk("bulk/1", UNKNOWN, "video/mp4")), SYNTAX),
    "items that are none": (one(described(), ITEMS), MISMATCH),
    "text as bulk data": (one(described(), bulk("bulk/1", GREY.tobytes(), "text/plain")), UNDERSTAND),
    "a document of another type": (one(MODEL, bulk("d", b"x", "model/stl")), MISMATCH),
    "no representation": (one(model(t00081030={"Value": ["x"]})), UNDERSTAND),
    "a number for text": (one(model(t00081030={"vr": "LO", "Value": [1]})), UNDERSTAND),
    "text for a number": (one(model(t00280010={"vr": "US", "Value": ["many"]})), UNDERSTAND),
    "a number too large": (one(model(t00280010={"vr": "US", "Value": [65536]})), UNDERSTAND),
    "no base64": (one(model(t00420011={"vr": "OB", "InlineBinary": "?"})), UNDERSTAND),
    "two contents": (one(model(t00420011={"vr": "OB", "InlineBinary": "", "BulkDataURI": "x"})), UNDERSTAND),
    "a backslash in a value": (one(model(t00081030={"vr": "LO", "Value": ["a\\b"]})), UNDERSTAND),
    "an element of the command set": (one(model(t00000002={"vr": "UI", "Value": ["1.2"]})), UNDERSTAND),
    "no tag": (one(model(tPatientID={"vr": "LO", "Value": ["x"]})), UNDERSTAND),
    "a member twice": (parts(metadata(b'[{"00100020":{"vr":"LO","vr":"LO"}}]')), UNDERSTAND),
    "not a number": (parts(metadata(b'[{"00181063":{"vr":"DS","Value":[1e999]}}]')), UNDERSTAND),
    "no object": (parts(metadata(b"[1]")), UNDERSTAND),
}  # fmt: skip


@pytest.mark.spec("PS3.18 I.2.2")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_put_together_is_refused_and_leaves_nothing(server: LiveServer, name: str) -> None:
    """Each object that lacks something, contradicts itself or cannot be encoded is refused with its reason."""
    content, wanted = REFUSED[name]
    answer = send(server, content)
    assert answer.status_code == 409, answer.text
    assert (reason(answer), files(server)) == (wanted, 0)
    assert "passwd" not in answer.text


DEEP_JSON = b'[{"00081140":{"vr":"SQ","Value":' * 10_000
BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b'<NativeDicomModel><DicomAttribute tag="00100020" vr="LO"><Value number="1">&b;</Value></DicomAttribute>'
    b"</NativeDicomModel>"
)
OUTSIDE = b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><NativeDicomModel/>'
DEEP_XML = b"<NativeDicomModel>" + b'<DicomAttribute tag="00081140" vr="SQ"><Item number="1">' * 10_000


@pytest.mark.spec("PS3.18 10.5.3.1")
@pytest.mark.parametrize(
    ("kind", "content", "status"),
    [
        (JSON, parts(metadata(b"{}")), 400),
        (JSON, parts(metadata(b"[{]")), 400),
        (JSON, parts(metadata(b"")), 400),
        (JSON, one(model(t00081030={"vr": "LO", "Value": ["\ud800"]})), 400),
        (JSON, parts(metadata(b"[]")), 400),
        (JSON, parts(metadata(DEEP_JSON)), 400),
        (JSON, parts(bulk("x", b"x")), 415),
        (JSON, one(described(), bulk("bulk/1", b"x"), bulk("bulk/1", b"y")), 400),
        (JSON, parts(metadata(b"[]"))[:-9], 400),
        (XML, parts(metadata(BOMB, XML)), 409),
        (XML, parts(metadata(OUTSIDE, XML)), 409),
        (XML, parts(metadata(DEEP_XML, XML)), 409),
        (XML, parts(metadata(b"<html/>", XML)), 409),
        (XML, parts(metadata("<NativeDicomModel/>".encode("utf-16"), XML)), 409),
        (XML, parts(metadata(b"[]")), 415),
    ],
)  # fmt: skip
def test_what_is_no_request_leaves_nothing(server: LiveServer, kind: str, content: bytes, status: int) -> None:
    """Bad syntax is 400, a document that cannot be understood 409, and a request without metadata 415."""
    answer = send(server, content, kind)
    assert answer.status_code == status, answer.text
    assert files(server) == 0


@pytest.mark.spec("PS3.18 10.5.3.1")
def test_some_are_stored_and_others_not(server: LiveServer) -> None:
    """Objects without their bulk data, and bulk data without an object, do not hold up the others."""
    second = described(
        **{"00080018": {"vr": "UI", "Value": [uid(5, 1, 2)]}, PIXELS: {"vr": "OB", "BulkDataURI": "none"}}
    )
    both = metadata(json.dumps([described(), second]).encode())
    unnamed = {"Content-Type": "application/octet-stream"}, b"x"
    answer = send(server, parts(both, NATIVE, bulk("bulk/3", b"x"), unnamed))
    assert answer.status_code == 202
    assert answer.json()["00081198"]["Value"][0]["00081155"]["Value"] == [uid(5, 1, 2)]
    assert len(answer.json()["0008119A"]["Value"]) == 2
    stored(server, answer)


def test_a_hundred_thousand_parts(server: LiveServer) -> None:
    """Parts that nobody asked for cost a place in a list each, not a file, and are all answered for."""
    unnamed = b"--%s\r\n\r\n\r\n" % BOUNDARY.encode()
    named = b"".join(b"--%s\r\nContent-Location: %d\r\n\r\nx\r\n" % (BOUNDARY.encode(), n) for n in range(50_000))
    whole = one(described(), NATIVE)
    start = time.process_time()
    answer = send(server, named + unnamed * 49_000 + whole)
    assert answer.status_code == 400, "a first part without a type holds the metadata"
    answer = send(server, whole[: -len(END)] + named + unnamed * 49_000 + END)
    assert time.process_time() - start < 60
    assert len(answer.json()["0008119A"]["Value"]) == 99_000
    stored(server, answer)
    assert send(server, whole[: -len(END)] + unnamed * 100_000 + END).status_code == 413
    assert files(server) == 1


def test_the_study_of_the_address(server: LiveServer) -> None:
    """An object of another study than the address names is refused and leaves nothing."""
    content = one(described(), NATIVE)
    answer = send(server, content, path=f"/dicomweb/studies/{uid(6)}")
    assert (answer.status_code, reason(answer), files(server)) == (409, MISMATCH, 0)
    stored(server, send(server, content, path=f"/dicomweb/studies/{uid(5)}"))


@pytest.mark.parametrize("kind", [JSON, XML])
def test_a_body_that_is_one_part(server: LiveServer, kind: str) -> None:
    """Metadata that need no bulk data may be the body itself."""
    given = model(**text("00080016", "UI", f"{CLASS}88.11"), **text("00080060", "CS", "SR"))
    encoded = json.dumps(given).encode()
    content = b"[" + encoded + b"]" if kind == JSON else native_model(encoded)
    with server.client("system/ImagingStudy.c") as client:
        answer = client.post("/dicomweb/studies", content=content, headers={"Content-Type": kind})
    assert stored(server, answer).Modality == "SR"
