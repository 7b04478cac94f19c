"""Where the frames of an instance lie: computed once when it is stored, so that a frame is one ranged read.

Spec: PS3.3 C.7.6.3, PS3.5 8 and A.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from struct import iter_unpack
from typing import Any

import msgspec

from dicomweb.dicomjson.header import Fragments, Header, PixelElement
from dicomweb.dicomjson.syntax import NATIVE, REFERENCED, VIDEO, is_compressed
from healix_fhir.kernel.errors import invalid

ROWS, COLUMNS, SAMPLES, FRAMES = 0x00280010, 0x00280011, 0x00280002, 0x00280008
BITS, PHOTOMETRIC, PLANAR = 0x00280100, 0x00280004, 0x00280006
STORED, REPRESENTATION = 0x00280101, 0x00280103
NUMBERS = (ROWS, COLUMNS, SAMPLES, FRAMES, BITS, PLANAR, STORED, REPRESENTATION)
WANTED = frozenset({*NUMBERS, PHOTOMETRIC})

DESCRIPTION = (ROWS, COLUMNS, BITS)
FRAME_LIMIT = 1 << 20
ITEM_HEADER = 8
SHORT, REMEMBERED = 64, 256
"""Bytes of an attribute whose values are remembered, and how many are."""


class Pixels(msgspec.Struct, frozen=True, array_like=True):
    """The attributes that describe the pixels of an instance."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    photometric: str
    planar: int
    frames: int
    vr: str
    bits_stored: int = 0
    signed: bool = False

    @property
    def frame_bits(self) -> int:
        """Bits of one native frame; frames follow each other without padding, also at one bit a pixel."""
        return self.rows * self.columns * self.samples * self.bits_allocated


class Layout(msgspec.Struct, frozen=True, array_like=True):
    """Byte ranges within the (inflated) file.

    Native: `start` and `length` of the pixel data. Encapsulated: `offsets` and `lengths` of its fragments without the
    offset table; `firsts` are the numbers of the fragments with which the frames begin, empty where frame n is
    fragment n; `located` is false when nothing in the file tells where its frames begin.
    `bulk`: value representation, offset and length of each bulk data element by path.
    """

    bulk: dict[str, tuple[str, int, int]]
    pixels: Pixels | None = None
    start: int = 0
    length: int = 0
    encapsulated: bool = False
    offsets: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    firsts: tuple[int, ...] = ()
    located: bool = True


def layout(header: Header, TransferSyntaxUID: str) -> Layout:  # noqa: N803 - a DICOM keyword
    """The layout of what the tag walker found.

    Raises Invalid when pixel attributes, pixel data and transfer syntax contradict each other. An object that describes
    pixels and has none was cut; one that does not even describe them may be meant so.
    """
    if header.pixel is None:
        if TransferSyntaxUID not in REFERENCED and all(_number(header.attributes.get(tag)) for tag in DESCRIPTION):
            raise invalid("Rows, Columns and BitsAllocated describe pixel data, but there is none")
        return Layout(header.bulk)
    encapsulated = header.pixel.fragments is not None
    if encapsulated and TransferSyntaxUID in NATIVE:
        raise invalid("the pixel data is encapsulated, which its transfer syntax does not allow")
    if not encapsulated and is_compressed(TransferSyntaxUID):
        raise invalid("the pixel data is not encapsulated, as its transfer syntax demands")
    pixels = _pixels(header, header.pixel)
    if header.pixel.fragments is None:
        if pixels is not None:
            _check_native(pixels, header.pixel)
        return Layout(header.bulk, pixels, header.pixel.start, header.pixel.length)
    return _encapsulated(header, header.pixel, header.pixel.fragments, pixels, video=TransferSyntaxUID in VIDEO)


def _pixels(header: Header, element: PixelElement) -> Pixels | None:
    """The description, or None where the object has pixel data but does not say how it is laid out."""
    number = {tag: _number(header.attributes.get(tag)) for tag in NUMBERS}
    if not number[ROWS] or not number[COLUMNS]:
        return None
    frames = number[FRAMES] or 1
    if not 0 < frames <= FRAME_LIMIT:
        raise invalid("NumberOfFrames is out of bounds")
    photometric = _values(header.attributes.get(PHOTOMETRIC))
    bits = number[BITS] or {0x7FE00008: 32, 0x7FE00009: 64}.get(element.tag, 0)
    if bits not in (1, 8, 16, 32, 64):
        raise invalid("BitsAllocated is missing or not 1, 8, 16, 32 or 64")
    return Pixels(
        number[ROWS] or 0,
        number[COLUMNS] or 0,
        number[SAMPLES] or 1,
        bits,
        str(photometric[0]) if photometric else "",
        number[PLANAR] or 0,
        frames,
        element.vr,
        min(number[STORED] or bits, bits),
        number[REPRESENTATION] == 1,
    )


def _check_native(pixels: Pixels, element: PixelElement) -> None:
    needed = (pixels.frame_bits * pixels.frames + 7) // 8
    if pixels.photometric == "YBR_FULL_422":  # two chrominance samples for two pixels
        needed = needed * 2 // 3
    if needed > element.length:
        raise invalid("PixelData is shorter than Rows, Columns and NumberOfFrames say")


def _encapsulated(
    header: Header, element: PixelElement, fragments: Fragments, pixels: Pixels | None, *, video: bool
) -> Layout:
    """Of a video nothing tells where its frames are: they are one stream in any number of fragments."""
    firsts = None if video else _firsts(fragments, pixels.frames if pixels else 1)
    return Layout(
        header.bulk,
        pixels,
        element.start,
        element.length,
        encapsulated=True,
        offsets=tuple(fragments.offsets),
        lengths=tuple(fragments.lengths),
        firsts=firsts or (),
        located=firsts is not None,
    )


def _firsts(fragments: Fragments, frames: int) -> tuple[int, ...] | None:
    """The number of the first fragment of each frame; empty where each frame is one fragment, None where unknown.

    An Extended Offset Table needs no reading: with it each frame is one fragment. Raises Invalid when there are fewer
    fragments than frames.
    """
    if len(fragments.offsets) < frames:
        raise invalid("the encapsulated pixel data has fewer fragments than frames")
    if len(fragments.offsets) == frames:
        return ()
    if frames == 1:
        return (0,)
    if len(fragments.table) == frames * 4:
        base = fragments.offsets[0] - ITEM_HEADER
        number = {offset - ITEM_HEADER - base: n for n, offset in enumerate(fragments.offsets)}
        firsts = tuple(number.get(offset, -1) for (offset,) in iter_unpack("<L", fragments.table))
        if firsts[0] == 0 and all(one < two for one, two in pairwise(firsts)):
            return firsts
    if len(fragments.openings) == frames and fragments.openings[0] == 0:
        return tuple(fragments.openings)
    return None


def _number(attribute: bytes | None) -> int | None:
    found = _values(attribute)
    if not found:
        return None
    if not isinstance(found[0], int) or not 0 <= found[0] < 1 << 32:
        raise invalid("a pixel attribute is not a valid number")
    return found[0]


def _values(attribute: bytes | None) -> Sequence[Any]:
    if attribute is None:
        return ()
    return _decoded(attribute) if len(attribute) > SHORT else _remembered(attribute)


def _decoded(attribute: bytes) -> Sequence[Any]:
    return tuple(msgspec.json.decode(attribute).get("Value", ()))


@lru_cache(maxsize=REMEMBERED)
def _remembered(attribute: bytes) -> Sequence[Any]:
    """The values of a short attribute: the images of a series have the same."""
    return _decoded(attribute)
