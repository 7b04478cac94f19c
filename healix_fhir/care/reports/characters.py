"""Which characters the fonts have, read from the fonts themselves.

A document whose fonts lack a character cannot be accessible, so that what they lack has to be replaced before.

Spec: OpenType 1.9.1, cmap (format 4 and 12); ISO 14289-1 7.21.8 (no reference to .notdef)
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from struct import iter_unpack, unpack_from

FONTS = Path(__file__).parent / "fonts"
FAMILIES = ("Noto Sans", "Noto Sans Devanagari", "Noto Sans Math")
"""In the order in which a character is looked for."""
BASE = ("NotoSans-Regular.ttf", "NotoSansDevanagari-Regular.ttf", "NotoSansMath-Regular.ttf")


@cache
def printable() -> frozenset[int]:
    """The characters of all fonts together."""
    return frozenset(number for name in BASE for number in _of_font((FONTS / name).read_bytes()))


def _of_font(font: bytes) -> Iterator[int]:
    (tables,) = unpack_from(">H", font, 4)
    for number in range(tables):
        tag, _, start, _ = unpack_from(">4sIII", font, 12 + 16 * number)
        if tag == b"cmap":
            yield from _of_cmap(font, start)


def _of_cmap(font: bytes, start: int) -> Iterator[int]:
    (count,) = unpack_from(">H", font, start + 2)
    for number in range(count):
        (offset,) = unpack_from(">I", font, start + 4 + 8 * number + 4)
        (form,) = unpack_from(">H", font, start + offset)
        if form == 12:
            yield from _of_groups(font, start + offset)
        elif form == 4:
            yield from _of_segments(font, start + offset)


def _of_groups(font: bytes, at: int) -> Iterator[int]:
    (count,) = unpack_from(">I", font, at + 12)
    for first, last, _ in iter_unpack(">III", font[at + 16 : at + 16 + 12 * count]):
        yield from range(first, last + 1)


def _of_segments(font: bytes, at: int) -> Iterator[int]:
    (double,) = unpack_from(">H", font, at + 6)
    ends = unpack_from(f">{double // 2}H", font, at + 14)
    starts = unpack_from(f">{double // 2}H", font, at + 16 + double)
    for first, last in zip(starts, ends, strict=True):
        if last != 0xFFFF:
            yield from range(first, last + 1)
