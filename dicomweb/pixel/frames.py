"""The bytes of one frame, from where they lie to how they are served.

Native pixel data of any encoding is served in little endian, as it is in explicit VR little endian; encapsulated
frames as they are stored, or decoded from RLE.
Spec: PS3.18 8.7.3.5 and 10.4.1.1.6 (2024d), PS3.5 8 and A.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator

from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.inflate import inflate
from dicomweb.dicomjson.part10 import META_LIMIT, read_meta
from dicomweb.dicomjson.syntax import DEFLATED_LITTLE, EXPLICIT_BIG, EXPLICIT_LITTLE, NATIVE, RLE_LOSSLESS
from dicomweb.pixel.layout import Layout, Pixels
from healix_fhir.kernel.errors import Category, HealixError, not_found, unsupported

Ranges = tuple[tuple[int, int], ...]
RLE_RATIO = 64
"""Two bytes of RLE are at most 128 bytes of pixels: what says more is not even tried. Spec: PS3.5 G.3.1 (2024d)"""
SWAPPED = {16: 2, 32: 4, 64: 8}


def served_syntax(TransferSyntaxUID: str) -> str:  # noqa: N803 - a DICOM keyword
    """The transfer syntax in which frames of an instance are served when none is asked for."""
    return EXPLICIT_LITTLE if TransferSyntaxUID in NATIVE else TransferSyntaxUID


def can_serve(stored: str, asked: str) -> bool:
    """Whether frames stored in one transfer syntax can be served in another."""
    return asked == served_syntax(stored) or (stored == RLE_LOSSLESS and asked == EXPLICIT_LITTLE)


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


def read(archive: Archive, key: str, stored: str, layout: Layout, number: int, asked: str) -> bytes:
    """Frame `number` of the blob `key`, stored in transfer syntax `stored`, in transfer syntax `asked`.

    Raises NotAcceptable when it cannot be converted.
    """
    if not can_serve(stored, asked):
        raise HealixError(Category.NOT_ACCEPTABLE, f"frames of this instance are not served in {asked}")
    pieces = ranges(layout, number)
    assert layout.pixels is not None
    if stored == DEFLATED_LITTLE:
        data = b"".join(inflated(archive, key, *pieces[0]))
    else:
        data = b"".join(archive.read(key, start, length) for start, length in pieces)
    if stored == RLE_LOSSLESS and asked == EXPLICIT_LITTLE:
        return _decode_rle(data, layout.pixels)
    if layout.encapsulated:
        return data
    if layout.pixels.frame_bits % 8:
        return _bits(data, layout.pixels, number)
    if stored == EXPLICIT_BIG and layout.pixels.vr != "OB":
        return _swap(data, SWAPPED.get(layout.pixels.bits_allocated, 2))
    return data


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


def _swap(data: bytes, width: int) -> bytes:
    swapped = bytearray(len(data))
    for index in range(width):
        swapped[index::width] = data[width - 1 - index :: width]
    return bytes(swapped)


def _bits(data: bytes, pixels: Pixels, number: int) -> bytes:
    """A frame of single bits that does not begin at a byte, moved to begin at one and padded at its end."""
    import numpy as np

    skip = (number - 1) * pixels.frame_bits % 8
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    return np.packbits(bits[skip : skip + pixels.frame_bits], bitorder="little").tobytes()


def _decode_rle(data: bytes, pixels: Pixels) -> bytes:
    """An RLE frame as native little endian, planes as Planar Configuration says.

    Spec: PS3.5 G (2024d)
    """
    import numpy as np
    from pydicom.pixels.decoders.rle import _rle_decode_frame

    if pixels.frame_bits // 8 > len(data) * RLE_RATIO:
        raise HealixError(
            Category.UNPROCESSABLE, "the RLE frame is broken", detail="too short for its rows and columns"
        )
    try:
        planes = _rle_decode_frame(data, pixels.rows, pixels.columns, pixels.samples, pixels.bits_allocated)
    except (ValueError, AttributeError, IndexError) as error:
        raise HealixError(Category.UNPROCESSABLE, "the RLE frame is broken", detail=repr(error)) from error
    if pixels.samples == 1 or pixels.planar == 1:
        return bytes(planes)
    samples = np.frombuffer(planes, f"u{pixels.bits_allocated // 8}").reshape(pixels.samples, -1)
    return samples.T.tobytes()
