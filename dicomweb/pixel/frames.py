"""The bytes of one frame, from where they lie to how they are served.

Native pixel data of any encoding is served in little endian, as it is in explicit VR little endian; encapsulated
frames as they are stored. Other forms are made of these by dicomweb/pixel/transcode.py.
Spec: PS3.18 8.7.3.5 and 10.4.1.1.6 (2024d), PS3.5 8 and A.4 (2024d)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dicomweb.archive.blobs import Archive
from dicomweb.archive.spool import incomplete, unread
from dicomweb.dicomjson.inflate import inflate
from dicomweb.dicomjson.part10 import META_LIMIT, read_meta
from dicomweb.dicomjson.syntax import DEFLATED_LITTLE, EXPLICIT_BIG, EXPLICIT_LITTLE, NATIVE
from dicomweb.pixel.layout import Layout, Pixels
from healix_fhir.kernel.errors import not_found, unsupported

Ranges = tuple[tuple[int, int], ...]
SWAPPED = {16: 2, 32: 4, 64: 8}


@dataclass(frozen=True, slots=True)
class Located:
    """A frame as ranges of a local file, for another process to read: half a megabyte less to hand over."""

    path: Path
    ranges: Ranges

    def read(self) -> bytes:
        """Its bytes. Raises Unavailable as an archive does, also when the file has just been moved to another tier."""
        try:
            with self.path.open("rb", buffering=0) as file:
                found = [os.pread(file.fileno(), length, start) for start, length in self.ranges]
        except OSError as error:
            raise unread(error, self.path.name) from error
        if sum(map(len, found)) < sum(length for _, length in self.ranges):
            raise incomplete(self.path.name)
        return b"".join(found)


def located(archive: Archive, key: str, stored: str, layout: Layout, number: int) -> Located | bytes:
    """Frame `number` as `read` gives it, or where it lies, if it is just so in a local file."""
    path = archive.path(key) if direct(stored, layout) else None
    return read(archive, key, stored, layout, number) if path is None else Located(path, ranges(layout, number))


def served_syntax(TransferSyntaxUID: str) -> str:  # noqa: N803 - a DICOM keyword
    """The transfer syntax in which frames of an instance are served when none is asked for."""
    return EXPLICIT_LITTLE if TransferSyntaxUID in NATIVE else TransferSyntaxUID


def direct(stored: str, layout: Layout) -> bool:
    """Whether `ranges` of the blob are the served bytes themselves, so that they may be streamed."""
    if layout.encapsulated:
        return True
    if stored == DEFLATED_LITTLE or layout.pixels is None:
        return False
    aligned = layout.pixels.frame_bits % 8 == 0
    return aligned and not (stored == EXPLICIT_BIG and layout.pixels.vr != "OB")


def ranges(layout: Layout, number: int) -> Ranges:
    """Where frame `number` (from 1) lies: offset and length of its pieces, counted in the inflated file.

    Raises NotFound when the instance has no such frame, Unsupported when nothing tells where its frames begin.
    """
    pixels = layout.pixels
    if pixels is None or not 1 <= number <= pixels.frames:
        raise not_found("the instance has no such frame")
    if not layout.located:
        raise unsupported("the frames of this instance cannot be told apart: it has no offset table")
    if not layout.encapsulated:
        first = (number - 1) * frame_bits(pixels) // 8
        last = (number * frame_bits(pixels) + 7) // 8
        return ((layout.start + first, last - first),)
    if not layout.firsts:
        return ((layout.offsets[number - 1], layout.lengths[number - 1]),)
    begin = layout.firsts[number - 1]
    end = layout.firsts[number] if number < len(layout.firsts) else len(layout.offsets)
    return tuple(zip(layout.offsets[begin:end], layout.lengths[begin:end], strict=True))


def frame_bits(pixels: Pixels) -> int:
    """Bits of one native frame as stored; 4:2:2 chrominance takes two samples for two pixels."""
    whole = pixels.frame_bits
    return whole * 2 // 3 if pixels.photometric == "YBR_FULL_422" else whole


def read(archive: Archive, key: str, stored: str, layout: Layout, number: int) -> bytes:
    """Frame `number` of the blob `key`, stored in transfer syntax `stored`: native in little endian, else as stored."""
    pieces = ranges(layout, number)
    assert layout.pixels is not None
    if stored == DEFLATED_LITTLE:
        data = b"".join(inflated(archive, key, *pieces[0]))
    else:
        data = b"".join(archive.read(key, start, length) for start, length in pieces)
    if layout.encapsulated:
        return data
    if layout.pixels.frame_bits % 8:
        return _bits(data, layout.pixels, number)
    if stored == EXPLICIT_BIG and layout.pixels.vr != "OB":
        width = SWAPPED.get(layout.pixels.bits_allocated)
        return swapped(data, width) if width else _octets_of_words(archive, key, layout, pieces[0])
    return data


def _octets_of_words(archive: Archive, key: str, layout: Layout, piece: tuple[int, int]) -> bytes:
    """Samples of eight bits that stand in big endian words: also a frame that begins or ends within one."""
    start, length = piece
    before = (start - layout.start) % 2
    return swapped(archive.read(key, start - before, before + length + (before + length) % 2), 2)[before:][:length]


def inflated(archive: Archive, key: str, start: int, length: int) -> Iterator[bytes]:
    """`length` bytes from `start` of the inflated data set; what comes before is inflated and dropped."""
    found = read_meta(next(archive.stream(key, 0, None), b"")[:META_LIMIT])
    assert found is not None, "stored files have File Meta Information"
    position, end = 0, start + length
    for piece in inflate(archive.stream(key, found[1]), limit=1 << 62):
        after = position + len(piece)
        if after > start:
            yield piece[max(0, start - position) : end - position]
        position = after
        if position >= end:
            return


def swapped(data: bytes, width: int) -> bytes:
    """`data` with the bytes of each `width` of them in the other order."""
    other = bytearray(len(data))
    for index in range(width):
        other[index::width] = data[width - 1 - index :: width]
    return bytes(other)


def _bits(data: bytes, pixels: Pixels, number: int) -> bytes:
    """A frame of single bits that does not begin at a byte, moved to begin at one and padded at its end."""
    import numpy as np

    skip = (number - 1) * pixels.frame_bits % 8
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return np.packbits(bits[skip : skip + pixels.frame_bits], bitorder="little").tobytes()
