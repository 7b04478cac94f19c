"""JPEG and JPEG-LS: comments, thumbnails, Exif and whatever else stands in application segments, wherever in a frame.

They are overwritten where they are. Of application segments only those stay that a decoder needs, and of these only as
many bytes as it needs; of a colour profile, which may be in several of them, its colours. What follows the end of the
picture is overwritten too.

Spec: ISO/IEC 10918-1 B.1 and B.2.4, ISO/IEC 10918-5 10 (JFIF), ISO/IEC 10918-6 6.5.3 (Adobe), ISO/IEC 14495-1 C,
ICC.1:2022 B.4
"""

from __future__ import annotations

import re

from dicomweb.deidentify.stream import icc
from dicomweb.deidentify.stream.refusal import emptied, refused, unseen

START = b"\xff\xd8"
EOI, SOS, SOI = 0xD9, 0xDA, 0xD8
STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
SAID = frozenset({0xFE, *range(0xE0, 0xF0), *(set(range(0xF0, 0xFE)) - {0xF7, 0xF8})})
"""COM, APPn, and what is reserved for extensions, but for the two segments of JPEG-LS."""
PROFILE, CHUNK = (0xE2, b"ICC_PROFILE\0"), 14
"""Marker and beginning of the segments of a colour profile, and where in them the profile is, behind their number."""
NEEDED = (
    (0xE0, b"JFIF\0", 14),
    (*PROFILE, 0xFFFF),
    (0xE8, b"SPIFF\0", 30),
    (0xE8, b"mrfx", 5),
    (0xEE, b"Adobe", 12),
)
"""Marker and beginning of the application segments that tell of size and colour, and how many of their bytes do.

What is behind them is, in JFIF, a thumbnail.
"""
MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
"""What ends entropy coded data: all but a stuffed byte, as small as JPEG-LS has them, and a restart."""


class Jpeg:
    """A frame, whose fragments are given one after the other."""

    def __init__(self) -> None:
        self._in_scan = self._ended = self._cut = False
        self._profile: list[tuple[int, int, int]] = []
        """Number, beginning and end of the pieces of a colour profile in this fragment."""

    def begin(self, made: bytearray) -> None:
        """The first fragment."""
        self._segments(made, len(START))

    def more(self, made: bytearray) -> None:
        """A further fragment: only coded data may be cut in two."""
        if not self._in_scan or (self._cut and made[:1] >= b"\xc0"):
            raise unseen()
        self._scan(made, 0)

    def _segments(self, made: bytearray, at: int) -> None:
        while at + 1 < len(made):
            marker = made[at + 1]
            if made[at] != 0xFF or marker in (0, SOI):
                raise unseen()
            if marker == 0xFF:  # fill
                at += 1
            elif marker == EOI:
                self._colours(made)
                self._end(made, at + 2)
                return
            elif marker in STANDALONE:
                at += 2
            else:
                at = self._segment(made, at, marker)
                if marker == SOS:
                    self._colours(made)
                    self._scan(made, at)
                    return
        raise unseen()

    def _segment(self, made: bytearray, at: int, marker: int) -> int:
        """Where the next one is."""
        start = at + 4
        end = at + 2 + int.from_bytes(made[at + 2 : start], "big")
        if marker < 0xC0 or end < start or end > len(made):
            raise unseen()
        if (marker, bytes(made[start : start + 12])) == PROFILE and end >= start + CHUNK:
            self._profile.append((made[start + 12], start + CHUNK, end))
        elif marker in SAID:
            emptied(made, min(start + needed(marker, made[start:end]), end), end)
        return end

    def _colours(self, made: bytearray) -> None:
        """Leave of a profile its colours; of what is none, nothing."""
        pieces = sorted(self._profile)
        self._profile = []
        whole = icc.cleaned(b"".join(made[start:end] for _, start, end in pieces))
        for _, start, end in pieces:
            if whole is None:
                emptied(made, start - CHUNK, end)
            else:
                made[start:end], whole = whole[: end - start], whole[end - start :]

    def _scan(self, made: bytearray, at: int) -> None:
        found = MARKER.search(made, at)
        self._in_scan = found is None
        if found is None:
            self._cut = made[-1:] == b"\xff"
        else:
            self._segments(made, found.start())

    def _end(self, made: bytearray, at: int) -> None:
        self._ended, self._in_scan = True, False
        if made[at : at + 3] == b"\xff\xd8\xff":
            raise refused("a fragment has several compressed pictures in it")
        emptied(made, at, len(made))


def needed(marker: int, content: bytes | bytearray) -> int:
    """How many bytes of a segment that is no part of the coding a decoder needs."""
    return next((length for of, begin, length in NEEDED if of == marker and content.startswith(begin)), 0)
