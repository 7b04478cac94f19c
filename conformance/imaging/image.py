"""A small image as a DICOM file, written by hand: what the checks store. Spec: PS3.10 7.1, PS3.5 7.1.2 (2024d)"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass, field

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT = "1.2.840.10008.1.2.1"
LONG = ("OB", "OW", "SQ", "UN", "UT")
SIDE = 8
NAME = "Conformance^Healix"
PATIENT = "conformance-image"


def new_uid() -> str:
    """A UID of nobody else. Spec: PS3.5 B.2"""
    return f"2.25.{uuid.uuid4().int}"


@dataclass(frozen=True)
class Image:
    """A secondary capture of 8 by 8 pixels of 16 bits, which rise from corner to corner."""

    study: str = field(default_factory=new_uid)
    series: str = field(default_factory=new_uid)
    instance: str = field(default_factory=new_uid)

    @property
    def path(self) -> str:
        """Its address."""
        return f"/dicomweb/studies/{self.study}/series/{self.series}/instances/{self.instance}"

    @property
    def pixels(self) -> bytes:
        """The frame."""
        return struct.pack(f"<{SIDE * SIDE}H", *(number * 64 for number in range(SIDE * SIDE)))

    @property
    def file(self) -> bytes:
        """The whole file."""
        return file_of(SECONDARY_CAPTURE, self.instance, self._data_set())

    def _data_set(self) -> bytes:
        return b"".join(
            (
                text(0x0008, 0x0016, "UI", SECONDARY_CAPTURE),
                text(0x0008, 0x0018, "UI", self.instance),
                text(0x0008, 0x0020, "DA", "20240102"),
                text(0x0008, 0x0030, "TM", "030405"),
                text(0x0008, 0x0050, "SH", "CONF1"),
                text(0x0008, 0x0060, "CS", "OT"),
                text(0x0008, 0x0064, "CS", "WSD"),
                text(0x0008, 0x0090, "PN", ""),
                text(0x0010, 0x0010, "PN", NAME),
                text(0x0010, 0x0020, "LO", PATIENT),
                text(0x0010, 0x0030, "DA", ""),
                text(0x0010, 0x0040, "CS", "O"),
                text(0x0020, 0x000D, "UI", self.study),
                text(0x0020, 0x000E, "UI", self.series),
                text(0x0020, 0x0010, "SH", "1"),
                text(0x0020, 0x0011, "IS", "1"),
                text(0x0020, 0x0013, "IS", "1"),
                _short(0x0028, 0x0002, 1),
                text(0x0028, 0x0004, "CS", "MONOCHROME2"),
                _short(0x0028, 0x0010, SIDE),
                _short(0x0028, 0x0011, SIDE),
                _short(0x0028, 0x0100, 16),
                _short(0x0028, 0x0101, 16),
                _short(0x0028, 0x0102, 15),
                _short(0x0028, 0x0103, 0),
                _element(0x7FE0, 0x0010, "OW", self.pixels),
            )
        )


def file_of(sop_class: str, instance: str, data_set: bytes) -> bytes:
    """The file of an object whose data set is in Explicit VR Little Endian."""
    about = (
        _element(0x0002, 0x0001, "OB", b"\0\1")
        + text(0x0002, 0x0002, "UI", sop_class)
        + text(0x0002, 0x0003, "UI", instance)
        + text(0x0002, 0x0010, "UI", EXPLICIT)
        + text(0x0002, 0x0012, "UI", "2.25.1")
    )
    length = _element(0x0002, 0x0000, "UL", struct.pack("<L", len(about)))
    return bytes(128) + b"DICM" + length + about + data_set


def text(group: int, element: int, vr: str, value: str) -> bytes:
    """An element of one text."""
    encoded = value.encode()
    return _element(group, element, vr, encoded + (b"\0" if vr == "UI" else b" ") * (len(encoded) % 2))


def _short(group: int, element: int, value: int) -> bytes:
    return _element(group, element, "US", struct.pack("<H", value))


def _element(group: int, element: int, vr: str, value: bytes) -> bytes:
    length = struct.pack("<HL", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))
    return struct.pack("<HH", group, element) + vr.encode() + length + value
