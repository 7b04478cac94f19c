"""The values that metadata leave out, as they are served: binary ones in little endian, whatever they are stored in.

Spec: PS3.18 8.7.3.3.1 (2024d), PS3.19 A.1 (2024d), PS3.5 7.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.syntax import DEFLATED_LITTLE, EXPLICIT_BIG
from dicomweb.pixel.frames import SWAPPED, inflated, swapped
from dicomweb.pixel.layout import Layout

WIDTH = {
    **dict.fromkeys(("AT", "OW", "SS", "US"), 2),
    **dict.fromkeys(("FL", "OF", "OL", "SL", "UL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
"""Bytes of a number by value representation."""


def width(stored: str, layout: Layout, path: str) -> int:
    """Bytes of each number that stands the other way round in the file of an instance; 0 where none does."""
    vr = layout.bulk[path][0]
    if stored != EXPLICIT_BIG:
        return 0
    if layout.pixels is not None and layout.bulk[path][1] == layout.start and vr != "OB":
        return SWAPPED.get(layout.pixels.bits_allocated, WIDTH.get(vr, 0))
    return WIDTH.get(vr, 0)


def turned(archive: Archive, key: str, stored: str, layout: Layout, path: str) -> Iterator[bytes]:
    """A value that is not served as its bytes are in the file: of a deflated or big endian data set."""
    _, start, length = layout.bulk[path]
    if stored == DEFLATED_LITTLE:
        yield from inflated(archive, key, start, length)
    else:
        yield from _swapped(archive.stream(key, start, length), width(stored, layout, path))


def value(archive: Archive, key: str, stored: str, layout: Layout, path: str) -> bytes:
    """A whole value; empty where there is none."""
    _, start, length = layout.bulk.get(path, ("", 0, 0))
    if not length:
        return b""
    if stored == DEFLATED_LITTLE or width(stored, layout, path):
        return b"".join(turned(archive, key, stored, layout, path))
    return archive.read(key, start, length)


def _swapped(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The bytes with those of each number in the other order, wherever the pieces begin and end."""
    rest = b""
    for piece in pieces:
        data = rest + piece
        end = len(data) - len(data) % size
        yield swapped(data[:end], size)
        rest = data[end:]
    yield rest
