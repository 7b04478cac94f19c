"""The size that a compressed frame says it has, read before it is decoded.

A few bytes can say 60,000 by 60,000 pixels: a codec would take gigabytes and minutes for what is then refused.
Spec: ISO/IEC 10918-1 B.2.2 (JPEG), ISO/IEC 14495-1 C.2.2 (JPEG-LS), ISO/IEC 15444-1 A.5.1 (JPEG 2000)
"""

from __future__ import annotations

from struct import error, unpack_from

FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
"""Markers of frame headers: SOF0 to SOF15, and SOF55 of JPEG-LS; between them are those of tables."""
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
JPEG, CODE_STREAM = b"\xff\xd8", b"\xff\x4f\xff\x51"
SEARCHED = 4096
"""Bytes within which the code stream of a JP2 file begins."""


def declared(data: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 frame; None where the bytes tell none."""
    try:
        if data.startswith(JPEG):
            return _jpeg(data)
        at = data.find(CODE_STREAM, 0, SEARCHED)
        if at < 0:
            return None
        right, bottom, left, top = unpack_from(">4L", data, at + 8)
    except error:
        return None
    return bottom - top, right - left


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = len(JPEG)
    while True:
        prefix, marker, length = unpack_from(">BBH", data, at)
        if prefix != 0xFF:
            return None
        if marker in FRAME_HEADERS:
            rows, columns = unpack_from(">HH", data, at + 5)
            return (rows, columns) if rows else None  # zero: the number of lines follows after the first scan
        at += 1 if marker == 0xFF else 2 if marker in ALONE else 2 + length
