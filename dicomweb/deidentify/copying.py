"""Pixel data copied as they are, but for what compressed frames and videos say beside their pictures.

Native pixels and videos pass a piece at a time, whatever their size; of compressed frames one fragment is in memory.

Spec: PS3.5 7.1 and A.4 (2024d)
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from struct import pack, unpack
from typing import BinaryIO

from dicomweb.deidentify.stream import video
from dicomweb.deidentify.stream.frames import Frames
from dicomweb.deidentify.stream.refusal import refused
from dicomweb.deidentify.stream.whole import Whole, changed
from dicomweb.dicomjson.syntax import EXPLICIT_BIG, IMAGES, IMPLICIT_LITTLE, VIDEO

PIECE = 1 << 20
LARGEST_FRAGMENT = 512 << 20
"""Bytes of a fragment of a compressed frame."""
ITEM, END = 0xE000, 0xE0DD
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Element:
    """The pixel data element whose value a file is at."""

    tag: int
    vr: str
    length: int


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


def copy(source: BinaryIO, one: Element, transfer_syntax: str, target: BinaryIO, *, sound: bool = False) -> None:
    """The whole element; a video may have `sound`. Raises Unprocessable where it is cut off, or cannot be looked
    through.
    """
    target.write(head(one, transfer_syntax))
    if one.length != UNDEFINED:
        copied(source, one.length, target)
    elif transfer_syntax in VIDEO:
        _video(source, transfer_syntax, target, sound=sound)
    else:
        _frames(source, target, Frames() if transfer_syntax.startswith(IMAGES) else None)


def _frames(source: BinaryIO, target: BinaryIO, frames: Frames | None) -> None:
    """The fragments of frames, looked through by `frames`; the table of offsets, which comes first, is none of them."""
    for number, length in enumerate(_items(source, target)):
        if frames is None or number == 0:
            copied(source, length, target)
            continue
        if length > LARGEST_FRAGMENT:
            raise refused("a compressed frame is too large to be looked through")
        made = bytearray(source.read(length))
        if len(made) < length:
            raise refused("the pixel data ends too early")
        frames.fragment(made)
        target.write(made)


def _items(source: BinaryIO, target: BinaryIO) -> Iterator[int]:
    """The length of each item, at whose value `source` is then; what is around the values is copied."""
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
        yield length


def _video(source: BinaryIO, transfer_syntax: str, target: BinaryIO, *, sound: bool) -> None:
    """The stream that all fragments together are, which is read twice."""
    start = source.tell()
    places = []
    for length in _items(source, io.BytesIO()):
        places.append((source.tell(), length))
        source.seek(length, io.SEEK_CUR)
    stream = Whole(source, places[1:])
    changes = video.changes(stream, transfer_syntax, sound=sound)
    source.seek(start)
    at = 0
    for number, length in enumerate(_items(source, target)):
        if number == 0:
            copied(source, length, target)
            continue
        for piece in pieces(source, length):
            target.write(changed(piece, at, changes))
            at += len(piece)


def copied(source: BinaryIO, length: int, target: BinaryIO) -> None:
    """That many bytes. Raises Unprocessable where there are fewer."""
    target.writelines(pieces(source, length))


def pieces(source: BinaryIO, length: int) -> Iterator[bytes]:
    """That many bytes, in pieces. Raises Unprocessable where there are fewer."""
    while length > 0:
        piece = source.read(min(length, PIECE))
        if not piece:
            raise refused("the pixel data ends too early")
        yield piece
        length -= len(piece)
