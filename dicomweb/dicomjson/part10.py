"""The DICOM file format: preamble, prefix and File Meta Information.

Spec: PS3.10 7.1 (2024d)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from struct import pack, unpack_from

from dicomweb.dicomjson.elements import LONG
from dicomweb.uid import check_uid
from healix_fhir.kernel.errors import invalid

PREAMBLE = 128
PREFIX = b"DICM"
BEGINNING = bytes(PREAMBLE) + PREFIX
META_LIMIT = 1 << 20
"""Bytes of preamble and File Meta Information that are accepted."""
IMPLEMENTATION_UID = b"1.2.826.0.1.3680043.10.1714.1"
IMPLEMENTATION_NAME = b"HEALIX_0_1"


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What File Meta Information says of the data set; `source_aet` is the title of the application that sent it.

    A DIMSE association knows as much of a bare data set.
    """

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    source_aet: str = ""


def read_meta(head: bytes) -> tuple[FileMeta, int] | None:
    """The File Meta Information at the start of a file, and where the data set begins; None when `head` ends too early.

    Raises Invalid when this is no DICOM file or lacks a UID. The group is always explicit VR little endian.
    """
    if len(head) < PREAMBLE + 12:
        return None
    if head[PREAMBLE : PREAMBLE + 4] != PREFIX:
        raise invalid("this is no DICOM file: the prefix DICM is missing")
    values: dict[int, bytes] = {}
    position = PREAMBLE + 4
    while True:
        if position + 8 > len(head):
            return None
        group, number, vr, length = unpack_from("<HH2sH", head, position)
        if group != 2:
            break
        begin = position + 8
        if vr.decode("latin_1") in LONG:
            if position + 12 > len(head):
                return None
            (length,) = unpack_from("<L", head, position + 8)
            begin = position + 12
        if length > META_LIMIT:
            raise invalid("the File Meta Information is too long")
        if begin + length > len(head):
            return None
        values[number] = head[begin : begin + length]
        position = begin + length
    return _meta(values), position


def _meta(values: dict[int, bytes]) -> FileMeta:
    def uid(number: int, keyword: str) -> str:
        return check_uid(values.get(number, b"").decode("latin_1").rstrip("\0 "), keyword)

    return FileMeta(
        uid(0x0002, "MediaStorageSOPClassUID"),
        uid(0x0003, "MediaStorageSOPInstanceUID"),
        uid(0x0010, "TransferSyntaxUID"),
        values.get(0x0016, b"").decode("latin_1").strip("\0 "),
    )


def write_meta(meta: FileMeta) -> bytes:
    """Preamble, prefix and File Meta Information for a bare data set. Raises Invalid for a malformed UID."""
    before, after = _around(
        check_uid(meta.sop_class, "MediaStorageSOPClassUID"),
        check_uid(meta.transfer_syntax, "TransferSyntaxUID"),
        meta.source_aet,
    )
    instance = _uid(0x0003, check_uid(meta.sop_instance, "MediaStorageSOPInstanceUID").encode())
    length = pack("<HH2sHL", 2, 0, b"UL", 4, len(before) + len(instance) + len(after))
    return b"".join((BEGINNING, length, before, instance, after))


@lru_cache(maxsize=64)
def _around(sop_class: str, transfer_syntax: str, source_aet: str) -> tuple[bytes, bytes]:
    """The elements before and after that of the instance: those of all objects of one kind that come from one place."""
    before = pack("<HH2s2xL", 2, 0x0001, b"OB", 2) + b"\x00\x01" + _uid(0x0002, sop_class.encode())
    after = [
        _uid(0x0010, transfer_syntax.encode()),
        _uid(0x0012, IMPLEMENTATION_UID),
        _text(0x0013, b"SH", IMPLEMENTATION_NAME),
    ]
    if source_aet:
        after.append(_text(0x0016, b"AE", source_aet.encode("ascii", "replace")[:16]))
    return before, b"".join(after)


def _uid(number: int, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return pack("<HH2sH", 2, number, b"UI", len(value)) + value


def _text(number: int, vr: bytes, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    return pack("<HH2sH", 2, number, vr, len(value)) + value
