"""How large a JPEG XL picture says it is: the first bits of its stream, each field from the lowest bit on.

Spec: ISO/IEC 18181-1 Annex D (size header), ISO/IEC 18181-2 (boxes); PS3.5 A.4.12 (2024d)
"""

from __future__ import annotations

from dicomweb.pixel.image import broken

SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
STREAM = b"\xff\x0a"
LONGEST = 12
"""Bytes of the longest size header."""
WIDTHS = (9, 13, 18, 30)
RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Columns to rows."""


def size(frame: bytes, start: int) -> tuple[int, int] | None:
    """Rows and columns of the stream that begins at `start`; None for what is no JPEG XL stream.

    Raises Unprocessable for one that is cut off.
    """
    if frame[start : start + 2] != STREAM:
        return None
    bits = _Bits(frame[start + 2 : start + 2 + LONGEST])
    by_eight = bool(bits.take(1))
    rows = _side(bits, by_eight=by_eight)
    ratio = bits.take(3)
    if not ratio:
        return rows, _side(bits, by_eight=by_eight)
    across, down = RATIOS[ratio]
    return rows, rows * across // down


def _side(bits: _Bits, *, by_eight: bool) -> int:
    return (bits.take(5) + 1) * 8 if by_eight else bits.take(WIDTHS[bits.take(2)]) + 1


class _Bits:
    """Takes numbers of some bits from the beginning."""

    def __init__(self, data: bytes) -> None:
        self._rest = int.from_bytes(data, "little")
        self._left = len(data) * 8

    def take(self, count: int) -> int:
        """The next number."""
        if count > self._left:
            raise broken("a compressed frame is cut off")
        found = self._rest & ((1 << count) - 1)
        self._rest >>= count
        self._left -= count
        return found
