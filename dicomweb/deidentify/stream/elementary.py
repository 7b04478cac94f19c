"""Bare streams of MPEG-2, H.264 and H.265, unit by unit.

Spec: ISO/IEC 13818-2 6.2, ISO/IEC 14496-10 B, ISO/IEC 23008-2 B
"""

from __future__ import annotations

from collections.abc import Iterator

from dicomweb.deidentify.stream.refusal import unseen
from dicomweb.deidentify.stream.units import LARGEST, is_supplemental, is_told, supplemental, told
from dicomweb.deidentify.stream.whole import PIECE, Change, Whole

CODE = b"\0\0\1"
OVERLAP = 3


def changes(stream: Whole, *, mpeg_2: bool, hevc: bool) -> Iterator[Change]:
    """What is to be changed, in order. Raises Unprocessable where a unit that would be looked through is too large."""
    for at, kind in _units(stream):
        if not (is_told(kind[0]) if mpeg_2 else is_supplemental(kind, hevc=hevc)):
            continue
        unit = stream.read(at, LARGEST)
        end = unit.find(CODE)
        if end < 0 and at + len(unit) < stream.length:
            raise unseen()
        whole = unit if end < 0 else unit[:end]
        yield from told(whole, at) if mpeg_2 else supplemental(whole, at, hevc=hevc)


def _units(stream: Whole) -> Iterator[tuple[int, bytes]]:
    """Where each unit begins, behind its start code, and its first byte."""
    for start in range(0, stream.length, PIECE):
        piece = stream.read(start, PIECE + OVERLAP)
        found = piece.find(CODE)
        while 0 <= found < PIECE and found + OVERLAP < len(piece):
            yield start + found + OVERLAP, piece[found + OVERLAP : found + OVERLAP + 1]
            found = piece.find(CODE, found + OVERLAP)
