"""What encoders of video write between its pictures: user data, supplemental enhancement information that is free, and
the time of the day.

It is overwritten with ones, among which no start code can be. Information that has a time in it becomes one of another
kind, which says nothing; of a group of pictures of MPEG-2 the time becomes midnight.

Spec: ISO/IEC 13818-2 6.2.2.6, 6.3.4.1 and 6.3.8; ISO/IEC 14496-10 7.3.1, 7.3.2.3, D.1.3 and D.2; ISO/IEC 23008-2 7.3.1,
7.3.5, D.2 and D.2.27
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dicomweb.deidentify.stream.refusal import unseen
from dicomweb.deidentify.stream.whole import Change

ONES = b"\xff"
USER_DATA, GROUP = 0xB2, 0xB8
H_264_SEI, H_265_SEI = 6, (39, 40)
FREE_TEXT = (4, 5)
"""Payloads of user data: registered by ITU-T T.35, and with a UUID of its maker."""
CLOCKS = {False: (1, 3), True: (136, 4)}
"""Of H.264 and of H.265: the payload with times, and the one that it becomes: filler, or data registered by nobody.

A byte of 3 must not be made of one of 136: behind two zeros it would be one that keeps start codes out.
"""
MARKER, FLAGS = 0x08, 0x7F
"""What is no time in the second and the fourth byte of that of a group of pictures."""
LARGEST = 1 << 20
"""Bytes of a unit of supplemental information that is looked through."""

Finder = Callable[[bytes, int], Iterator[Change]]
"""Finds what is to be changed in a unit, given without its start code, that stands at a place of the stream."""


def is_supplemental(begin: bytes, *, hevc: bool) -> bool:
    """Whether a unit of H.264 or H.265 that begins so is supplemental."""
    return begin[0] >> 1 & 63 in H_265_SEI if hevc else begin[0] & 31 == H_264_SEI


def is_told(begin: int) -> bool:
    """Whether a unit of MPEG-2 that begins so is looked at."""
    return begin in (USER_DATA, GROUP)


def told(unit: bytes, at: int) -> Iterator[Change]:
    """Of MPEG-2: the whole of user data, and the time of a group of pictures."""
    if unit[:1] == bytes([GROUP]) and len(unit) > 4:
        yield Change(at + 1, 4, bytes([0, MARKER, 0, unit[4] & FLAGS]))
    if unit[:1] == bytes([USER_DATA]) and len(unit) > 1:
        yield Change(at + 1, len(unit) - 1, ONES)


def supplemental(unit: bytes, at: int, *, hevc: bool) -> Iterator[Change]:
    """Of H.264 or H.265: payloads that are user data or have a time in them. Raises Unprocessable for endless ones."""
    if not unit or not is_supplemental(unit, hevc=hevc):
        return
    where = list(_unescaped(unit, 2 if hevc else 1))
    read = 0
    while len(where) - read > 2:  # but for the stop bit
        began = read
        kind, read = _number(unit, where, read)
        size, read = _number(unit, where, read)
        if read + size > len(where):
            raise unseen()
        clock, other = CLOCKS[hevc]
        if kind in (*FREE_TEXT, clock) and size:
            first, last = where[read], where[read + size - 1]
            if kind == clock:
                yield Change(at + where[began], 1, bytes([other]))
            yield Change(at + first, last + 1 - first, ONES)
        read += size


def _unescaped(unit: bytes, start: int) -> Iterator[int]:
    """Where the bytes are that are meant, without those that keep start codes out."""
    zeros = 0
    for index in range(start, len(unit)):
        if zeros >= 2 and unit[index] == 3:
            zeros = 0
            continue
        zeros = 0 if unit[index] else zeros + 1
        yield index


def _number(unit: bytes, where: list[int], read: int) -> tuple[int, int]:
    """A number in bytes of which all but the last are 255, and where it ends."""
    total = 0
    while read < len(where):
        value = unit[where[read]]
        total, read = total + value, read + 1
        if value != 0xFF:
            return total, read
    raise unseen()
