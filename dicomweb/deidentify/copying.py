"""Pixel data copied as they are, but for comments in frames, a piece at a time, whatever their size.

Spec: PS3.5 7.1 and A.4 (2024d)
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack, unpack
from typing import BinaryIO

from dicomweb.deidentify.comments import JPEG_FAMILY, without_comments
from dicomweb.dicomjson.syntax import EXPLICIT_BIG, IMPLICIT_LITTLE
from healix_fhir.kernel.errors import Category, HealixError

PIECE = 1 << 20
ITEM, END = 0xE000, 0xE0DD
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Element:
    """The pixel data element whose value a file is at."""

    tag: int
    vr: str
    length: int


def refused(reason: str) -> HealixError:
    """An object that cannot be de-identified, and why; the reason has nothing of it."""
    return HealixError(Category.UNPROCESSABLE, reason)


def element(source: BinaryIO, transfer_syntax: str) -> Element | None:
    """The pixel data element that `source` is at, which is then at its value; None at the end of the data set."""
    order = ">" if transfer_syntax == EXPLICIT_BIG else "<"
    tag = source.read(4)
    if len(tag) < 4:
        return None
    group, number = unpack(f"{order}HH", tag)
    if transfer_syntax == IMPLICIT_LITTLE:
        vr, length = "OW", unpack("<L", source.read(4))[0]
    else:
        name, _, length = unpack(f"{order}2sHL", source.read(8))
        vr = name.decode("ascii", "replace")
    return Element(group << 16 | number, vr, length)


def head(one: Element, transfer_syntax: str) -> bytes:
    """The tag, representation and length of an element with a long length."""
    order = ">" if transfer_syntax == EXPLICIT_BIG else "<"
    tag = pack(f"{order}HH", one.tag >> 16, one.tag & 0xFFFF)
    if transfer_syntax == IMPLICIT_LITTLE:
        return tag + pack("<L", one.length)
    return tag + pack(f"{order}2sHL", one.vr.encode(), 0, one.length)


def copy(source: BinaryIO, one: Element, transfer_syntax: str, target: BinaryIO) -> None:
    """The whole element. Raises Unprocessable where it is cut off, or a frame cannot be looked through."""
    target.write(head(one, transfer_syntax))
    if one.length != UNDEFINED:
        copied(source, one.length, target)
        return
    while True:
        begin = source.read(8)
        if len(begin) < 8:
            raise refused("the pixel data has no end")
        _, number, length = unpack("<HHL", begin)
        target.write(begin)
        if number == END:
            return
        if number != ITEM:
            raise refused("the pixel data is no sequence of fragments")
        if transfer_syntax.startswith(JPEG_FAMILY):
            length -= _begun(source, min(length, PIECE), target)
        copied(source, length, target)


def _begun(source: BinaryIO, length: int, target: BinaryIO) -> int:
    """Copy the beginning of a fragment, without what is said in comments; how many bytes these were."""
    begin = source.read(length)
    made = without_comments(begin)
    if made is None:
        raise refused("the header of a compressed frame cannot be looked through")
    target.write(made)
    return len(made)


def copied(source: BinaryIO, length: int, target: BinaryIO) -> None:
    """That many bytes. Raises Unprocessable where there are fewer."""
    while length > 0:
        piece = source.read(min(length, PIECE))
        if not piece:
            raise refused("the pixel data ends too early")
        target.write(piece)
        length -= len(piece)
