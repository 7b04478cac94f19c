"""JPEG 2000 and HTJ2K: comments in the headers of the codestream and of its tile-parts, and what follows its end.

Spec: ISO/IEC 15444-1 A.2 to A.9, ISO/IEC 15444-2 A.2, ISO/IEC 15444-15 A
"""

from __future__ import annotations

from dicomweb.deidentify.stream.refusal import emptied, unseen

START = b"\xff\x4f\xff\x51"
"""The codestream begins, and its size comes first."""
SOT, SOD, EOC, COM = 0x90, 0x93, 0xD9, 0x64
KNOWN = frozenset({*range(0x50, 0x54), *range(0x55, 0x5A), *range(0x5C, 0x62), 0x63, COM, *range(0x70, 0x7A), SOT})
"""The markers of segments, of Parts 1, 2 and 15."""
END = b"\xff\xd9"
USE = 2
"""Bytes at the beginning of a comment that say what it consists of."""


class Jpeg2000:
    """A codestream, whose fragments are given one after the other."""

    def __init__(self) -> None:
        self._data: int | None = 0
        """Bytes of coded data that the next fragment begins with; None is all until the end."""

    def begin(self, made: bytearray) -> None:
        """The first fragment."""
        self._segments(made, 2)

    def more(self, made: bytearray) -> None:
        """A further fragment: only coded data may be cut in two."""
        if self._data == 0:
            raise unseen()
        self._coded(made, 0, self._data)

    def _segments(self, made: bytearray, at: int) -> None:
        """The segments from `at`; the last one of a tile-part is followed by coded data."""
        tile = size = 0
        while at + 2 <= len(made):
            marker = made[at + 1]
            if made[at] != 0xFF:
                raise unseen()
            if marker == EOC:
                self._data = 0
                emptied(made, at + 2, len(made))
                return
            if marker == SOD:
                self._coded(made, at + 2, tile + size - at - 2 if size else None)
                return
            end = at + 2 + int.from_bytes(made[at + 2 : at + 4], "big")
            if marker not in KNOWN or end < at + 4 or end > len(made):
                raise unseen()
            if marker == COM:
                emptied(made, min(at + 4 + USE, end), end)
            elif marker == SOT:
                tile, size = at, int.from_bytes(made[at + 6 : at + 10], "big")
            at = end
        raise unseen()

    def _coded(self, made: bytearray, at: int, length: int | None) -> None:
        """Coded data; no two bytes in it are like a marker that ends it."""
        end = made.find(END, at) if length is None else at + length
        if length is not None and length < 0:
            raise unseen()
        if length is None and end < 0:
            self._data = None
        elif end >= len(made):
            self._data = end - len(made)
        else:
            self._segments(made, end)
