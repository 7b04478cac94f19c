"""Small data sets written in implicit VR little endian, which everyone who speaks DIMSE reads.

For messages whose every element the writer knows. Elements are given in ascending order of their tags.
Spec: PS3.5 7.1.3, 7.5, 10.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack

from dicomweb.dicomjson.elements import ITEM


def uid(tag: int, value: str) -> bytes:
    """An element of VR UI."""
    text = value.encode("ascii")
    return element(tag, text + b"\0" * (len(text) % 2))


def title(tag: int, value: str) -> bytes:
    """An element of VR AE or CS."""
    text = value.encode("ascii")
    return element(tag, text + b" " * (len(text) % 2))


def unsigned_short(tag: int, value: int) -> bytes:
    """An element of VR US."""
    return element(tag, pack("<H", value))


def sequence(tag: int, items: Iterable[bytes]) -> bytes:
    """An element of VR SQ, whose items and whose own length are told."""
    return element(tag, b"".join(pack("<HHL", ITEM >> 16, ITEM & 0xFFFF, len(item)) + item for item in items))


def element(tag: int, value: bytes) -> bytes:
    """An element with a value of even length."""
    return pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
