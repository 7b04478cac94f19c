"""Hostile images by name, over both doors: the reason that each is refused with, and that nothing of it stays."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit

from dicomweb.dicomjson import inflate
from dicomweb.dicomjson.part10 import FileMeta, write_meta
from dicomweb.dimse.limits import Limits
from dicomweb.status import Reason
from healix_fhir.kernel.database import Row
from tests.support.dicom import bare, bomb, data_set, encapsulated, nested, part10, uid, with_pixels
from tests.support.dimse import Peer, p_data, store
from tests.support.dimse_service import serving_dimse
from tests.support.live_server import LiveServer
from tests.support.stow import HEADERS, body

Pool = ConnectionPool[Connection[Row]]
PIXELS = b"\xe0\x7f\x10\x00"
UNDERSTAND, MISMATCH = Reason.CANNOT_UNDERSTAND, Reason.DATA_SET_DOES_NOT_MATCH
SYNTAX, RESOURCES = Reason.TRANSFER_SYNTAX_NOT_SUPPORTED, Reason.OUT_OF_RESOURCES


def image(**elements: Any) -> Dataset:
    """An image of eight by eight."""
    return with_pixels(data_set(**elements))


def with_uid(tag: bytes, old: str, value: bytes) -> bytes:
    """The data set of an image that has this value for a UID."""
    whole = tag + b"UI" + pack("<H", len(old) + len(old) % 2) + old.encode() + b"\0" * (len(old) % 2)
    value += b"\0" * (len(value) % 2)
    data = bare(part10(image()))
    assert data.count(whole) == 1
    return data.replace(whole, tag + b"UI" + pack("<H", len(value)) + value)


def with_element(element: bytes) -> bytes:
    """The data set of an image with one more element before its pixels."""
    head, _, pixels = bare(part10(image())).rpartition(PIXELS)
    return head + element + PIXELS + pixels


def without_pixels() -> bytes:
    """The data set of an image that ends where its pixels should begin."""
    return bare(part10(image())).rpartition(PIXELS)[0]


def fragments(length: int) -> bytes:
    """The data set of an image whose pixels are a fragment that says it has this length."""
    item = b"\xfe\xff\x00\xe0"
    pixels = PIXELS + b"OB\0\0\xff\xff\xff\xff" + item + bytes(4) + item + pack("<L", length) + b"\xff\xd8 1"
    return without_pixels() + pixels + b"\xfe\xff\xdd\xe0" + bytes(4)


STUDY, SERIES, INSTANCE = b"\x20\x00\x0d\x00", b"\x20\x00\x0e\x00", b"\x08\x00\x18\x00"
PRIVATE = b"\x29\x00\x10\x10"

DATA_SETS = {
    "a path for a study": (with_uid(STUDY, uid(1), b"../../../etc/passwd"), UNDERSTAND),
    "a path for a series": (with_uid(SERIES, uid(1, 1), b"1.2/../../x"), UNDERSTAND),
    "a path for an instance": (with_uid(INSTANCE, uid(1, 1, 1), b"..\\..\\x"), UNDERSTAND),
    "a UID of 65 characters": (with_uid(STUDY, uid(1), b"1." * 32 + b"1"), UNDERSTAND),
    "a UID of other letters": (with_uid(SERIES, uid(1, 1), "1.2.\u0663".encode()), UNDERSTAND),
    "a UID with a line break": (with_uid(SERIES, uid(1, 1), b"1.2.3\n"), UNDERSTAND),
    "two UIDs": (with_uid(STUDY, uid(1), b"1.2\\1.3"), UNDERSTAND),
    "no instance": (bare(part10(image(), meta={})).replace(INSTANCE, b"\x08\x00\x19\x00", 1), UNDERSTAND),
    "another instance": (with_uid(INSTANCE, uid(1, 1, 1), b"1.2.3"), MISMATCH),
    "another class": (bare(part10(image(SOPClassUID="1.2.840.10008.5.1.4.1.1.4"))), MISMATCH),
    "deep sequences": (bare(part10(nested(100, image()))), UNDERSTAND),
    "no pixels": (without_pixels(), UNDERSTAND),
    "encapsulated pixels": (fragments(4), UNDERSTAND),
    "a private length beyond all": (with_element(PRIVATE + b"OB\0\0\xfe\xff\xff\xff"), UNDERSTAND),
    "a private length below zero": (with_element(PRIVATE + b"UN\0\0\x00\x00\x00\x80"), UNDERSTAND),
    "text of undefined length": (with_element(PRIVATE + b"UT\0\0\xff\xff\xff\xff" + b"text"), UNDERSTAND),
    "an odd number": (with_element(PRIVATE + b"US\x03\x00\1\2\3"), UNDERSTAND),
    "nothing": (b"", UNDERSTAND),
    "zeros": (bytes(1000), UNDERSTAND),
}
"""Data sets, and why they are refused: over DIMSE as CT, explicit VR little endian."""


def file(data: bytes, syntax: str = ExplicitVRLittleEndian, instance: str = uid(1, 1, 1)) -> bytes:
    """A data set with File Meta Information that says this of it."""
    return write_meta(FileMeta(CTImageStorage, instance, syntax)) + data


PLAIN = bare(part10(image()))
DIRECTORY = write_meta(FileMeta("1.2.840.10008.1.3.10", uid(1, 1, 1), ExplicitVRLittleEndian)) + PLAIN
PROTOCOL = write_meta(FileMeta("1.2.840.10008.5.1.4.38.1", uid(1, 1, 1), ExplicitVRLittleEndian)) + PLAIN
FILES = {name: (file(data), reason) for name, (data, reason) in DATA_SETS.items()} | {
    "another instance in File Meta Information": (file(PLAIN, instance="1.2.3"), MISMATCH),
    "no instance in File Meta Information": (
        file(PLAIN).replace(b"\x02\x00\x03\x00UI", b"\x02\x00\x04\x00UI"),
        UNDERSTAND,
    ),
    "JPEG without fragments": (file(PLAIN, JPEGBaseline8Bit), UNDERSTAND),
    "a fragment beyond the end": (file(fragments(400), JPEGBaseline8Bit), UNDERSTAND),
    "a fragment of undefined length": (file(fragments(0xFFFFFFFF), JPEGBaseline8Bit), UNDERSTAND),
    "fewer fragments than frames": (
        encapsulated(with_pixels(data_set(), bits=8), [b"\xff\xd8 1"]).replace(b"IS\x02\x001 ", b"IS\x02\x009 "),
        UNDERSTAND,
    ),
    "deflated, but is not": (file(PLAIN, DeflatedExplicitVRLittleEndian), UNDERSTAND),
    "implicit, but is not": (file(PLAIN, "1.2.840.10008.1.2"), UNDERSTAND),
    "a class for a transfer syntax": (file(PLAIN, CTImageStorage), SYNTAX),
    "a transfer syntax of its own": (file(PLAIN, "1.2.840.113619.5.2"), SYNTAX),
    "a directory": (DIRECTORY, Reason.SOP_CLASS_NOT_SUPPORTED),
    "a hanging protocol": (PROTOCOL, Reason.SOP_CLASS_NOT_SUPPORTED),
    "a bomb": (bomb(64 << 20), RESOURCES),
}
"""Files, and why they are refused."""


def left(server: LiveServer, pool: Pool) -> tuple[int, int]:
    """Rows and files."""
    with pool.connection() as connection:
        rows = connection.execute("SELECT count(*) FROM study").fetchall()[0][0]
    return rows, sum(path.is_file() for path in (server.settings.data_dir / "images").rglob("*"))


@pytest.mark.spec("PS3.18 10.5.3")
@pytest.mark.spec("PS3.18 I.2.2")
def test_stow(server: LiveServer, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is refused with 409 and its reason, and the answer repeats nothing that is no UID."""
    monkeypatch.setattr(inflate, "FLOOR", 1 << 20)
    with server.client("system/ImagingStudy.c") as client:
        for name, (content, reason) in FILES.items():
            answer = client.post("/dicomweb/studies", content=body([content]), headers=HEADERS)
            assert answer.status_code == 409, (name, answer.text)
            (failed,) = (
                item for tag in ("00081198", "0008119A") for item in answer.json().get(tag, {}).get("Value", [])
            )
            assert failed["00081197"]["Value"] == [reason], name
            assert ".." not in answer.text
            assert left(server, pool) == (0, 0), name
    with pool.connection() as connection:
        trail = connection.execute("SELECT action, outcome FROM audit_event WHERE subtype = 'STOW-RS'").fetchall()
    assert trail == [("C", 4)] * len(FILES)


@pytest.mark.spec("PS3.4 B.2.3")
def test_c_store(server: LiveServer, pool: Pool) -> None:
    """Each is refused with its status on an association that goes on, and the comment repeats nothing of it."""
    with serving_dimse(server.settings, pool, Limits(drain=1)) as port, Peer(port) as peer:
        peer.associate()
        for name, (data, reason) in DATA_SETS.items():
            peer.send(p_data(3, 3, store(uid(1, 1, 1))) + p_data(3, 2, data))
            status, comment = peer.answer()
            assert status == reason, name
            assert comment
            assert ".." not in comment
            assert left(server, pool) == (0, 0), name


@pytest.mark.spec("PS3.5 6.1.2.3")
def test_text_that_is_not_in_its_character_set(server: LiveServer) -> None:
    """A lie about the character set costs the letters, not the image, whose bytes stay as they are."""
    content = part10(image(SpecificCharacterSet="ISO_IR 192", StudyDescription="Chest")).replace(
        b"Chest ", b"\xff\xc3(st "
    )
    with server.client("system/ImagingStudy.crs") as client:
        assert client.post("/dicomweb/studies", content=body([content]), headers=HEADERS).status_code == 200
        (study,) = client.get("/dicomweb/studies").json()
        assert study["00081030"]["Value"] == ["\ufffd\ufffd(st"]
        kept = client.get(
            f"/dicomweb/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}",
            headers={"Accept": "application/dicom; transfer-syntax=*"},
        )
    assert kept.content == content
