"""Colour profiles, of which nothing but the colours stays: what they are called, who made them, when and for which
device is overwritten where it stands.

Numbers by which colours are converted stay at their places; all else is zero, but for what makes an empty text of a
text. The moment at which a profile was made is the first of the year 2000.

Spec: ICC.1:2022 7.2, 7.3, 9.2 and 10
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import error as BrokenStruct  # noqa: N812 - what it means here
from struct import unpack_from

HEAD, ENTRY, MOST = 132, 12, 256
"""Bytes of the header with the number of tags, bytes of an entry of their table, and how many there may be."""
SIGNATURE, SIGNATURE_AT = b"acsp", 36
SAID = ((4, 4), (48, 8), (80, 48))
"""Where the header says which program prefers it, which device it is of, and who made it, with its own digest."""
MADE_AT, MADE = 24, b"\x07\xd0\0\1\0\1\0\0\0\0\0\0"
NEEDED = frozenset(
    b"A2B0 A2B1 A2B2 B2A0 B2A1 B2A2 D2B0 D2B1 D2B2 D2B3 B2D0 B2D1 B2D2 B2D3 bTRC gTRC kTRC rTRC bXYZ gXYZ rXYZ bkpt"
    b" chad chrm cicp clro gamt lumi meas pre0 pre1 pre2 rig0 rig2 tech view wtpt".split()
)
NUMBERS = frozenset(
    one.ljust(4) for one in b"XYZ curv para mft1 mft2 mAB mBA mpet sf32 uf32 chrm cicp clro meas sig view".split()
)
"""Types that hold numbers alone."""
TYPE = 4
"""Bytes at the beginning of a tag that say of which type it is."""


def cleaned(profile: bytes) -> bytes | None:
    """The profile with its colours alone, as long as it was; None for what is no profile."""
    try:
        tags = list(_tags(profile))
    except (BrokenStruct, ValueError):
        return None
    made = bytearray(len(profile))
    table = HEAD + ENTRY * len(tags)
    made[:table] = profile[:table]
    for at, length in SAID:
        made[at : at + length] = bytes(length)
    made[MADE_AT : MADE_AT + len(MADE)] = MADE
    for kind, start, end in tags:
        type_end = min(start + TYPE, end)
        made[start:type_end] = profile[start:type_end]
        if kind in NEEDED and profile[start : start + 4] in NUMBERS:
            made[start:end] = profile[start:end]
    return bytes(made)


def _tags(profile: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each tag with where it begins and ends. Raises ValueError for what is no profile."""
    if profile[SIGNATURE_AT : SIGNATURE_AT + 4] != SIGNATURE:
        raise ValueError("no colour profile")
    (count,) = unpack_from(">L", profile, HEAD - 4)
    if count > MOST:
        raise ValueError("too many tags")
    for number in range(count):
        kind, start, size = unpack_from(">4sLL", profile, HEAD + ENTRY * number)
        if start < HEAD + ENTRY * count or start + size > len(profile):
            raise ValueError("a tag is out of the profile")
        yield kind, start, start + size
