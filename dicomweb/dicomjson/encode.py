"""A model as the bytes of a data set in explicit VR little endian, bulk data left where it lies.

Text becomes UTF-8. Sequences and items say their length. What does not fit its representation is Invalid by name: a
data set that others cannot read is worse than none.
Spec: PS3.5 6.2, 7.1, 7.5 and A.4 (2024d)
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import Struct, pack
from typing import Any

from dicomweb.dicomjson.elements import ITEM, LONG, NUMBERS, SEQUENCE_DELIMITER
from dicomweb.dicomjson.model import Member, Members, refused
from dicomweb.dicomjson.read_json import BINARY, TAG

CHARACTER_SET = 0x00080005
UTF_8 = "ISO_IR 192"
LONGEST = 0xFFFFFFFE
SHORT_LONGEST = 0xFFFE
PLAIN = frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UI"})
"""Text of the default repertoire, several values."""
LISTS = PLAIN | {"LO", "SH", "UC", "PN", "DS", "IS"}
SINGLE = frozenset({"LT", "ST", "UT", "UR"})
FLOATS = {"FL": "f", "FD": "d"}
DECIMAL_LONGEST = 16
INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes that lie in an open file."""

    descriptor: int
    start: int
    length: int

    def __len__(self) -> int:
        return self.length


@dataclass(frozen=True, slots=True)
class Frames:
    """Compressed pixel data: the bytes of each frame, or of a whole video."""

    frames: Sequence[Span]


@dataclass(frozen=True, slots=True)
class Encapsulated:
    """Compressed pixel data as its whole value: offset table, fragments and delimiter."""

    value: Span


Piece = bytes | Span
Content = Span | Frames | Encapsulated
Bulk = Callable[[str, str], Content]
"""Where the bulk data of a URI is, for the attribute at a path. Raises HealixError when it is nowhere."""


def encode(members: Members, bulk: Bulk) -> list[Piece]:
    """The data set in pieces. Raises Invalid, naming the attribute, and what `bulk` raises."""
    return _data_set(members, bulk, "")


def size(pieces: Sequence[Piece]) -> int:
    """How many bytes the pieces are together."""
    return sum(map(len, pieces))


def is_ascii(members: Members) -> bool:
    """Whether no text needs a character set."""
    return all(_ascii(value) for member in members.values() for value in member.values)


def _ascii(value: Any) -> bool:
    if isinstance(value, dict):
        return is_ascii(value)
    return not isinstance(value, str) or value.isascii()


def _data_set(members: Members, bulk: Bulk, path: str) -> list[Piece]:
    pieces: list[Piece] = []
    for tag in sorted(members):
        member, where = members[tag], f"{path}{tag:08X}"
        if tag >> 16 in (0, 2, 0xFFFE) or tag & 0xFFFF == 0:
            raise refused(where, "does not belong into a data set")
        pieces += _element(tag, member, bulk, where)
    return _joined(pieces)


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """The same with neighbouring bytes in one."""
    joined: list[Piece] = []
    run: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            run.append(piece)
            continue
        if run:
            joined.append(b"".join(run))
            run = []
        joined.append(piece)
    if run:
        joined.append(b"".join(run))
    return joined


def _element(tag: int, member: Member, bulk: Bulk, path: str) -> list[Piece]:
    if member.uri is not None:
        if member.vr == "SQ":
            raise refused(path, "a sequence is no bulk data")
        found = bulk(member.uri, path)
        if isinstance(found, Frames):
            return _encapsulated(tag, found.frames, path)
        if isinstance(found, Encapsulated):
            return [_undefined(tag), found.value]
        content: list[Piece] = [found]
    elif member.vr == "SQ":
        content = [piece for n, item in enumerate(member.values) for piece in _item(item, bulk, f"{path}/{n}/")]
    else:
        content = [member.octets if member.octets is not None else value(member, path)]
    length = size(content)
    if length % 2:
        content.append(b"\0" if member.vr in BINARY or member.vr == "UI" else b" ")
        length += 1
    return [_head(tag, member.vr, length, path), *content]


def _head(tag: int, vr: str, length: int, path: str) -> bytes:
    if length > (LONGEST if vr in LONG else SHORT_LONGEST):
        raise refused(path, f"its value is too long for {vr}")
    if vr in LONG:
        return pack("<HH2sxxL", tag >> 16, tag & 0xFFFF, vr.encode(), length)
    return pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), length)


def _item(members: Members, bulk: Bulk, path: str) -> list[Piece]:
    """An item; one that holds compressed pixels (an icon) still says its length."""
    content = _data_set(members, bulk, path)
    if (length := size(content)) > LONGEST:
        raise refused(path, "the item is too long")
    return [_delimiter(ITEM, length), *content]


def _encapsulated(tag: int, frames: Sequence[Span], path: str) -> list[Piece]:
    """Each frame as one fragment, with an offset table where there are several and it can hold them."""
    lengths = [len(frame) + len(frame) % 2 for frame in frames]
    if max(lengths, default=0) > LONGEST:
        raise refused(path, "a frame is longer than 4 GB")
    offsets = [0]
    for length in lengths[:-1]:
        offsets.append(offsets[-1] + length + 8)
    table = b"" if len(frames) == 1 or offsets[-1] > LONGEST else pack(f"<{len(offsets)}L", *offsets)
    pieces: list[Piece] = [_undefined(tag), _delimiter(ITEM, len(table)), table]
    for frame, length in zip(frames, lengths, strict=True):
        pieces += [_delimiter(ITEM, length), frame, b"\0" * (len(frame) % 2)]
    return [*pieces, _delimiter(SEQUENCE_DELIMITER, 0)]


def _undefined(tag: int) -> bytes:
    return pack("<HH2sxxL", tag >> 16, tag & 0xFFFF, b"OB", 0xFFFFFFFF)


def _delimiter(tag: int, length: int) -> bytes:
    return pack("<HHL", tag >> 16, tag & 0xFFFF, length)


def value(member: Member, path: str) -> bytes:
    """The bytes of values that are text or numbers."""
    vr, values = member.vr, member.values
    if not values:
        return b""
    if vr in LISTS or vr in SINGLE:
        return _text(vr, values, path)
    if vr == "AT":
        return b"".join(_tag(one, path) for one in values)
    if vr in NUMBERS:
        return _packed(NUMBERS[vr], [_integer(one, path) for one in values], vr, path)
    if vr in FLOATS:
        return _packed(FLOATS[vr], [_float(one, path) for one in values], vr, path)
    raise refused(path, f"'{vr}' is no value representation")


def _text(vr: str, values: Sequence[Any], path: str) -> bytes:
    if vr in SINGLE and len(values) > 1:
        raise refused(path, f"{vr} has one value")
    texts = ["" if one is None else _one(vr, one, path) for one in values]
    if vr in LISTS and any("\\" in text for text in texts):
        raise refused(path, "a backslash separates values and stands in none")
    try:
        return "\\".join(texts).encode("ascii" if vr in PLAIN else "utf-8")
    except UnicodeEncodeError as error:
        raise refused(path, f"holds characters that {vr} cannot") from error


def _one(vr: str, one: Any, path: str) -> str:
    if isinstance(one, str):
        return one
    if isinstance(one, (int, float)) and vr in ("DS", "IS"):
        if vr == "IS" or isinstance(one, int):
            return str(_integer(one, path))
        return decimal(one)
    raise refused(path, f"a value of {vr} is no text")


def decimal(number: float) -> str:
    """A number with as many digits as a decimal string has room for."""
    text = repr(float(number))
    digits = DECIMAL_LONGEST
    while len(text) > DECIMAL_LONGEST:
        text = f"{number:.{digits}g}"
        digits -= 1
    return text


def _integer(one: Any, path: str) -> int:
    if isinstance(one, str) and INTEGER(one.strip()):
        return int(one)
    if isinstance(one, int) or (isinstance(one, float) and one.is_integer()):
        return int(one)
    raise refused(path, "a value is no whole number")


def _float(one: Any, path: str) -> float:
    try:
        return float(one)
    except (TypeError, ValueError) as error:
        raise refused(path, "a value is no number") from error


def _packed(letter: str, values: Sequence[Any], vr: str, path: str) -> bytes:
    single = Struct("<" + letter)
    try:
        return b"".join(map(single.pack, values))
    except (struct.error, OverflowError) as error:
        raise refused(path, f"a value does not fit into {vr}") from error


def _tag(one: Any, path: str) -> bytes:
    if not isinstance(one, str) or not TAG(one):
        raise refused(path, "a value of AT is no tag: eight hexadecimal digits")
    return pack("<HH", int(one[:4], 16), int(one[4:], 16))
