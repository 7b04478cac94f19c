"""What the walker must know of an element before its value: from its tag and VR, learnt once and kept.

A table for each way of encoding maps the first bytes of an element (tag, and VR where it is explicit) to an `Element`.
Spec: PS3.5 7.1, 6.2 (2024d)
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from struct import unpack
from typing import Any, NamedTuple

from dicomweb.dicomjson import dictionary, values
from dicomweb.dicomjson.syntax import Syntax
from healix_fhir.kernel.errors import invalid

KNOWN_LIMIT = 20_000
INLINE_BINARY = 1024
"""Binary values above this many bytes are bulk data."""
INLINE_TEXT = 65536
"""All other values above this many bytes are bulk data too."""

PIXELS = frozenset({0x7FE00010, 0x7FE00008, 0x7FE00009})
CHARACTER_SET = 0x00080005
PIXEL_REPRESENTATION = 0x00280103
ITEM_GROUP = 0xFFFE
ITEM = 0xFFFEE000
ITEM_DELIMITER = 0xFFFEE00D
SEQUENCE_DELIMITER = 0xFFFEE0DD


class Kind(IntEnum):
    """How the walker treats an element."""

    PLAIN = 0  # encode(raw)
    TEXT = 1  # encode(raw, codec)
    SEQUENCE = 2
    UNKNOWN = 3  # UN, or no VR in an implicit data set: the dictionaries may know better
    AMBIGUOUS = 4  # US or SS in an implicit data set: Pixel Representation decides
    CHARACTER_SET = 5
    SKIP = 6  # group lengths: not part of DICOM JSON
    DELIMITER = 7


class Element(NamedTuple):
    """One row of the table. `prefix` is the JSON up to and with the VR; `limit` the longest value kept inline."""

    tag: int
    kind: Kind
    vr: str
    long_length: bool
    limit: int
    prefix: bytes
    encode: Any


LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""Value representations with a length of 32 bits in explicit encodings."""

STRINGS = frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UI"})
BINARY_WIDTH = {"OB": 1, "OW": 2, "OL": 4, "OF": 4, "OD": 8, "OV": 8, "UN": 1}
NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "UV": "Q", "SV": "q"}


@lru_cache(maxsize=128)
def encoder(vr: str, *, little: bool) -> tuple[Kind, Any]:
    """How values of `vr` become JSON. Raises Invalid for two letters that are no value representation."""
    order = "<" if little else ">"
    if vr in STRINGS:
        return Kind.PLAIN, values.string
    if vr in ("LO", "SH", "UC"):
        return Kind.TEXT, values.text
    if vr in ("LT", "ST", "UT"):
        return Kind.TEXT, values.long_text
    if vr == "PN":
        return Kind.TEXT, values.person_name
    if vr in NUMBERS:
        return Kind.PLAIN, values.integers(order + NUMBERS[vr])
    if vr in ("FL", "FD"):
        return Kind.PLAIN, values.floats(order + ("f" if vr == "FL" else "d"))
    if vr in BINARY_WIDTH:
        return Kind.PLAIN, values.inline(1 if little else BINARY_WIDTH[vr])
    fixed = {"DS": values.decimal, "IS": values.integer, "UR": values.url, "AT": values.tags(order + "HH")}
    if vr in fixed:
        return Kind.PLAIN, fixed[vr]
    if vr == "SQ":
        return Kind.SEQUENCE, None
    raise invalid("an element has no valid value representation")


def describe(tag: int, vr: str, syntax: Syntax) -> Element:
    """The row of an element whose VR is known."""
    kind, encode = encoder(vr, little=syntax.little)
    if tag & 0xFFFF == 0:
        kind = Kind.SKIP
    elif tag == CHARACTER_SET:
        kind = Kind.CHARACTER_SET
    elif vr == "UN":
        kind = Kind.UNKNOWN
    limit = INLINE_BINARY if vr in BINARY_WIDTH else INLINE_TEXT
    if tag in PIXELS:
        limit = -1
    long_length = vr in LONG and not syntax.implicit
    return Element(tag, kind, vr, long_length, limit, b'"%08X":{"vr":"%s"' % (tag, vr.encode()), encode)


def learn(head: bytes, syntax: Syntax) -> Element:
    """The row for the first bytes of an element."""
    tag = tag_of(head, little=syntax.little)
    if tag >> 16 == ITEM_GROUP:
        return delimiter(tag)
    if not syntax.implicit:
        return describe(tag, vr_of(head), syntax)
    if tag & 0xFFFF == 0:
        vr: str | None = "UL"
    elif tag & 0x1FF00 == 0x10000:
        vr = "LO"  # private creator
    else:
        vr = dictionary.public(tag)
    row = describe(tag, dictionary.AMBIGUOUS.get(vr or "UN", vr or "UN"), syntax)
    return row._replace(kind=Kind.AMBIGUOUS) if vr == "US or SS" else row


def delimiter(tag: int) -> Element:
    """The row of an item or delimiter, which have neither VR nor value."""
    return Element(tag, Kind.DELIMITER, "", False, 0, b"", None)


def tag_of(head: bytes, *, little: bool) -> int:
    """The tag in the first four bytes of an element."""
    group, element = unpack("<HH" if little else ">HH", head[:4])
    return int(group << 16 | element)


def vr_of(head: bytes) -> str:
    """The VR in bytes 5 and 6 of an explicit element; Invalid when it is not two capital letters."""
    vr = head[4:6]
    if len(vr) != 2 or not vr.isalpha() or not vr.isupper() or not vr.isascii():
        raise invalid("an element has no valid value representation")
    return vr.decode("ascii")
