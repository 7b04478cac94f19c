"""What encoders of video write between its pictures: user data, and supplemental enhancement information that is free.

It is overwritten with ones, among which no start code can be.

Spec: ISO/IEC 13818-2 6.3.4.1; ISO/IEC 14496-10 7.3.1, 7.3.2.3 and D.2; ISO/IEC 23008-2 7.3.1, 7.3.5 and D.2
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dicomweb.deidentify.stream.refusal import unseen
from dicomweb.deidentify.stream.whole import Change

ONES = b"\xff"
USER_DATA = 0xB2
H_264_SEI, H_265_SEI = 6, (39, 40)
FREE_TEXT = (4, 5)
"""Payloads of user data: registered by ITU-T T.35, and with a UUID of its maker."""
LARGEST = 1 << 20
"""Bytes of a unit of supplemental information that is looked through."""

Finder = Callable[[bytes, int], Iterator[Change]]
"""Finds what is to be changed in a unit, given without its start code, that stands at a place of the stream."""


def is_supplemental(begin: bytes, *, hevc: bool) -> bool:
    """Whether a unit of H.264 or H.265 that begins so is supplemental."""
    return begin[0] >> 1 & 63 in H_265_SEI if hevc else begin[0] & 31 == H_264_SEI


def user_data(unit: bytes, at: int) -> Iterator[Change]:
    """Of MPEG-2: the whole of it."""
    if unit[:1] == bytes([USER_DATA]) and len(unit) > 1:
        yield Change(at + 1, len(unit) - 1, ONES)


def supplemental(unit: bytes, at: int, *, hevc: bool) -> Iterator[Change]:
    """Of H.264 or H.265: the payloads that are user data. Raises Unprocessable where they do not end."""
    if not unit or not is_supplemental(unit, hevc=hevc):
        return
    where = list(_unescaped(unit, 2 if hevc else 1))
    read = 0
    while len(where) - read > 2:  # but for the stop bit
        kind, read = _number(unit, where, read)
        size, read = _number(unit, where, read)
        if read + size > len(where):
            raise unseen()
        if kind in FREE_TEXT and size:
            first, last = where[read], where[read + size - 1]
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
