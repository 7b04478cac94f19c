"""What the stream of a compressed picture says of itself: read from its markers, without decoding it.

Spec: ISO/IEC 10918-1 B, ISO/IEC 14495-1 C, ISO/IEC 15444-1 A and I, ISO/IEC 15444-15 A; PS3.5 8.2 and A.4 (2024d);
for JPEG XL see dicomweb/pixel/jpeg_xl.py
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from struct import error as BrokenStruct  # noqa: N812 - what it means here
from struct import unpack_from

from dicomweb.pixel import jpeg_xl
from dicomweb.pixel.image import broken
from dicomweb.pixel.syntaxes import (
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_LS_LOSSLESS,
)

Buffer = bytes | mmap.mmap

JPEG_2000_PART_2_LOSSLESS, JPEG_2000_PART_2 = "1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93"
JPX_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
STREAM_BOXES = {b"jp2c": 0, b"jxlc": 0, b"jxlp": 4}
"""The boxes in which streams begin, and after how many bytes."""
SOI, SOS, APP0, APP14 = 0xD8, 0xDA, 0xE0, 0xEE
BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS, LS = 0xC0, 0xC1, 0xC2, 0xC3, 0xF7
STARTS = frozenset({*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), LS})
SIZ, COD, CAP, SOT = 0xFF51, 0xFF52, 0xFF50, 0xFF90
RPCL = 2
BOX_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Picture:
    """One frame as its stream describes it.

    `syntaxes` are the transfer syntaxes that it may stand in, the most exact first; none where it has to be decoded.
    `stream` is where the frame proper is, where the file holds more. `photometric` is sure when `says_colour`.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    photometric: str
    says_colour: bool
    syntaxes: tuple[str, ...]
    method: str | None
    stream: tuple[int, int]
    signed: bool = False


def read(buffer: Buffer, start: int, length: int) -> Picture:
    """The picture in `buffer[start:start + length]`. Raises Unprocessable for what is none, or is broken."""
    end = start + length
    head = buffer[start : min(start + 12, end)]
    try:
        if head[:3] == b"\xff\xd8\xff":
            return _jpeg(buffer, start, end)
        if head[:4] == b"\xff\x4f\xff\x51":
            return _jpeg_2000(buffer, start, end, None)
        if head == JPX_SIGNATURE:
            return _boxed(buffer, start, end)
    except (BrokenStruct, IndexError) as error:
        raise broken("a compressed picture is cut off") from error
    raise broken("a compressed picture begins like no JPEG, JPEG-LS or JPEG 2000 stream")


def size(frame: bytes) -> tuple[int, int]:
    """Rows and columns that a JPEG, JPEG-LS, JPEG 2000 or JPEG XL frame says it has. Raises Unprocessable when it tells
    none.

    To be asked before a frame is decoded: a few bytes can say 60,000 by 60,000 pixels, for which a codec would take
    gigabytes and minutes.
    """
    try:
        if frame[:2] == b"\xff\xd8":
            for marker, at, _ in _segments(frame, 0, len(frame)):
                if marker in STARTS:
                    rows, columns = unpack_from(">HH", frame, at + 1)
                    return rows, columns
        boxed = frame[:12] in (JPX_SIGNATURE, jpeg_xl.SIGNATURE)
        boxes = {kind: at for kind, at, _ in (_boxes(frame, 0, len(frame)) if boxed else ()) if kind in STREAM_BOXES}
        if (found := jpeg_xl.size(frame, next((at + STREAM_BOXES[kind] for kind, at in boxes.items()), 0))) is not None:
            return found
        start = boxes.get(b"jp2c", 0)
        if frame[start : start + 4] == b"\xff\x4f\xff\x51":
            right, bottom, left, top = unpack_from(">LLLL", frame, start + 8)
            return bottom - top, right - left
    except BrokenStruct as error:
        raise broken("a compressed frame is cut off") from error
    raise broken("a compressed frame does not say how large it is")


def _jpeg(buffer: Buffer, start: int, end: int) -> Picture:
    process = precision = rows = columns = samples = 0
    factors: list[int] = []
    identifiers = b""
    transform: int | None = None
    jfif = False
    for marker, at, size in _segments(buffer, start, end):
        if marker in STARTS:
            process, precision, rows, columns, samples = marker, *unpack_from(">BHHB", buffer, at)
            components = buffer[at + 6 : at + 6 + samples * 3]
            identifiers, factors = components[::3], list(components[1::3])
        elif marker == APP0:
            jfif = buffer[at : at + 5] == b"JFIF\0"
        elif marker == APP14 and buffer[at : at + 5] == b"Adobe" and size >= 12:
            transform = buffer[at + 11]
        elif marker == SOS:
            first = buffer[at + 1 + buffer[at] * 2]  # the predictor, or in JPEG-LS the largest error
            syntaxes, method = _jpeg_syntaxes(process, precision, first)
            colour, sure = _jpeg_colour(process, samples, identifiers, factors, transform, jfif=jfif)
            return _picture(rows, columns, samples, precision, colour, sure, syntaxes, method, (start, end - start))
    raise broken("a JPEG stream holds no scan")


def _segments(buffer: Buffer, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each marker up to the first scan, with position and length of its parameters."""
    at = start + 2
    while at + 4 <= end:
        if buffer[at] != 0xFF:
            raise broken("a JPEG stream is broken")
        marker = buffer[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        (size,) = unpack_from(">H", buffer, at + 2)
        if size < 2 or at + 2 + size > end:
            raise broken("a JPEG stream is cut off")
        yield marker, at + 4, size - 2
        at += 2 + size


def _jpeg_syntaxes(process: int, precision: int, first: int) -> tuple[tuple[str, ...], str | None]:
    """Where the process belongs, and how the method is called where it loses something."""
    if process == BASELINE and precision == 8:
        return (JPEG_BASELINE, JPEG_EXTENDED), "ISO_10918_1"
    if process in (BASELINE, EXTENDED):
        return (JPEG_EXTENDED,), "ISO_10918_1"
    if process == PROGRESSIVE:
        return (), "ISO_10918_1"
    if process == LOSSLESS:
        return ((JPEG_LOSSLESS_SV1, JPEG_LOSSLESS) if first == 1 else (JPEG_LOSSLESS,)), None
    if process == LS:
        return ((JPEG_LS_LOSSLESS, JPEG_LS), None) if first == 0 else ((JPEG_LS,), "ISO_14495_1")
    raise broken("a JPEG stream is of a process that DICOM does not know")


def _jpeg_colour(
    process: int, samples: int, identifiers: bytes, factors: list[int], transform: int | None, *, jfif: bool
) -> tuple[str, bool]:
    if samples == 1:
        return "MONOCHROME2", False
    if transform == 0 or identifiers == b"RGB":
        return "RGB", True
    if process in (LOSSLESS, LS) and transform is None:
        return "RGB", False
    return ("YBR_FULL_422" if factors[0] != factors[1] else "YBR_FULL"), jfif or transform == 1


def _boxed(buffer: Buffer, start: int, end: int) -> Picture:
    """A JP2 or JPX file: the colours are in its header, the stream is one of its boxes."""
    colour: int | None = None
    for kind, at, stop in _boxes(buffer, start, end):
        if kind == b"jp2h":
            for inner, inside, _ in _boxes(buffer, at, stop):
                if inner == b"pclr":
                    raise broken("a JPEG 2000 file with a palette cannot be a frame")
                if inner == b"colr" and buffer[inside] == 1 and colour is None:
                    (colour,) = unpack_from(">L", buffer, inside + 3)
        elif kind == b"jp2c":
            return _jpeg_2000(buffer, at, stop, colour)
    raise broken("a JPEG 2000 file holds no stream")


def _boxes(buffer: Buffer, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of the content of each box."""
    at = start
    for _ in range(BOX_LIMIT):
        if at + 8 > end:
            return
        size, kind = unpack_from(">L4s", buffer, at)
        begin = at + 8
        if size == 1:
            (size,) = unpack_from(">Q", buffer, begin)
            begin += 8
        stop = end if size == 0 else at + size
        if not begin <= stop <= end:
            raise broken("a JPEG 2000 file is cut off")
        yield kind, begin, stop
        at = stop


def _jpeg_2000(buffer: Buffer, start: int, end: int, colour: int | None) -> Picture:
    profile, width, height, left, top = unpack_from(">HLLLL", buffer, start + 6)
    (samples,) = unpack_from(">H", buffer, start + 40)
    depth = buffer[start + 42]
    if any(buffer[start + 42 + n * 3 : start + 45 + n * 3] != bytes((depth, 1, 1)) for n in range(samples)):
        raise broken("the components of a JPEG 2000 stream are not alike")
    at = start + 2
    high_throughput = bool(profile & 0x4000)
    while at + 4 <= end:
        marker, size = unpack_from(">HH", buffer, at)
        if marker == SOT:
            break
        high_throughput |= marker == CAP
        if marker == COD:
            order, multiple, reversible = buffer[at + 5], buffer[at + 8] == 1, buffer[at + 13] == 1
            syntaxes, method = _jpeg_2000_syntaxes(
                high_throughput=high_throughput, part_2=bool(profile & 0x8000), reversible=reversible, order=order
            )
            photometric = _jpeg_2000_colour(samples, colour, multiple=multiple, reversible=reversible)
            return _picture(
                height - top, width - left, samples, (depth & 0x7F) + 1, photometric, samples > 1, syntaxes, method,
                (start, end - start), signed=bool(depth & 0x80),
            )  # fmt: skip
        at += 2 + size
    raise broken("a JPEG 2000 stream is broken")


def _jpeg_2000_syntaxes(
    *, high_throughput: bool, part_2: bool, reversible: bool, order: int
) -> tuple[tuple[str, ...], str | None]:
    if high_throughput:
        if not reversible:
            return (HTJ2K,), "ISO_15444_15"
        return (HTJ2K_LOSSLESS, *((HTJ2K_RPCL,) if order == RPCL else ()), HTJ2K), None
    lossless, general = (JPEG_2000_PART_2_LOSSLESS, JPEG_2000_PART_2) if part_2 else (JPEG_2000_LOSSLESS, JPEG_2000)
    return ((lossless, general), None) if reversible else ((general,), "ISO_15444_1")


def _jpeg_2000_colour(samples: int, colour: int | None, *, multiple: bool, reversible: bool) -> str:
    if samples == 1:
        return "MONOCHROME2"
    if multiple:
        return "YBR_RCT" if reversible else "YBR_ICT"
    return "YBR_FULL" if colour == 18 else "RGB"


def _picture(
    rows: int, columns: int, samples: int, bits: int, photometric: str, sure: bool,
    syntaxes: tuple[str, ...], method: str | None, stream: tuple[int, int], *, signed: bool = False,
) -> Picture:  # fmt: skip
    if not (0 < rows < 1 << 16 and 0 < columns < 1 << 16):
        raise broken("a compressed picture has no size that DICOM knows")
    if samples not in (1, 3) or not 1 < bits <= 16:
        raise broken("a compressed picture has other components than DICOM knows")
    return Picture(rows, columns, samples, bits, photometric, sure, syntaxes, method, stream, signed)
