"""Identifiers and other data sets of messages: read within bounds, written as the peer understands them.

They come and go in one of two transfer syntaxes, and are models as those of DICOM JSON in between, so that the use
cases behind DICOMweb and DIMSE are the same.

Spec: PS3.4 C.4.1.1.3 (2024d), PS3.5 6.2, 7.1 and 7.5 (2024d)
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct, pack
from typing import Any

import msgspec

from dicomweb.dicomjson import encode
from dicomweb.dicomjson.budget import MEMBER_LIMIT
from dicomweb.dicomjson.elements import ITEM, LONG
from dicomweb.dicomjson.encode import LISTS, PLAIN, SHORT_LONGEST, SINGLE
from dicomweb.dicomjson.model import Member, Members, refused
from dicomweb.dicomjson.read_json import BINARY, GROUPS, read
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE, NATIVE
from dicomweb.dicomjson.walker import walk
from dicomweb.dimse.speech import UTF_8, Say, UnsayableError, speaker
from healix_fhir.kernel.errors import too_large

SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""The transfer syntaxes of identifiers, in order of preference."""
LIMIT = 1 << 20
"""Bytes of an identifier: one of a thousand UIDs has 64 kB."""
CHARACTER_SET = 0x00080005
US, UL = Struct("<H"), Struct("<L")
SPOKEN = (LISTS | SINGLE) - PLAIN - {"UR", "DS", "IS"}
"""Value representations whose text depends on the character set."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A data set with its Specific Character Set, which is no longer that of the members: they are text."""

    members: Members
    character_set: tuple[str, ...] = ()


@dataclass(slots=True)
class Gathering:
    """The data set of a message as it comes, of `most` bytes and `elements`; what is too long is not kept."""

    most: int = LIMIT
    elements: int = MEMBER_LIMIT
    _data: bytearray = field(default_factory=bytearray)
    _size: int = 0

    def write(self, data: memoryview) -> None:
        """The next piece."""
        self._size += len(data)
        if self._size <= self.most:
            self._data += data

    def identifier(self, TransferSyntaxUID: str) -> Identifier:  # noqa: N803 - a DICOM keyword
        """All of it, read. Raises TooLarge, and Invalid for what is no data set."""
        if self._size > self.most:
            raise too_large(f"an identifier has at most {self.most >> 20} MB")
        return parse(bytes(self._data), TransferSyntaxUID, self.elements)


def parse(data: bytes, TransferSyntaxUID: str, most: int = MEMBER_LIMIT) -> Identifier:  # noqa: N803 - a DICOM keyword
    """A data set in one of `SYNTAXES`, of at most `most` elements and items.

    Raises Invalid for what is none, TooLarge for more, and for a value that is bulk data.
    """
    header = walk(data, 0, len(data), NATIVE[TransferSyntaxUID], frozenset(), most)
    if header.bulk:
        raise too_large(f"{next(iter(header.bulk))}: its value is too long for an identifier")
    return Identifier(read(header.metadata), header.character_set)


def write(members: Members, TransferSyntaxUID: str, character_set: Sequence[str] = ()) -> bytes:  # noqa: N803
    """The data set of `members`, in that character set if it can say them, else in UTF-8; which one is told in it.

    Raises Invalid for a value that its representation cannot have.
    """
    terms = tuple(character_set)
    explicit = TransferSyntaxUID != IMPLICIT_LITTLE
    try:
        return _whole(members, explicit, terms)
    except UnsayableError:
        return _whole(members, explicit, (UTF_8,))


def _whole(members: Members, explicit: bool, terms: tuple[str, ...]) -> bytes:
    told = {**members, CHARACTER_SET: Member("CS", terms)} if any(terms) else members
    return _encoded(told, explicit, speaker(terms), "")


def _encoded(members: Members, explicit: bool, say: Say, path: str) -> bytes:
    pieces: list[bytes] = []
    for tag in sorted(members):
        member = members[tag]
        content = _content(member, explicit, say, path, tag)
        if len(content) % 2:
            content += b"\0" if member.vr in BINARY or member.vr == "UI" else b" "
        start, length = _head(tag, member.vr, explicit)
        if length is US and len(content) > SHORT_LONGEST:
            raise refused(f"{path}{tag:08X}", f"its value is too long for {member.vr}")
        pieces += (start, length.pack(len(content)), content)
    return b"".join(pieces)


@lru_cache(maxsize=4096)
def _head(tag: int, vr: str, explicit: bool) -> tuple[bytes, Struct]:
    """What stands before the length of an element, and the form of that."""
    start = pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return start, UL
    return (start + vr.encode() + b"\0\0", UL) if vr in LONG else (start + vr.encode(), US)


def _content(member: Member, explicit: bool, say: Say, path: str, tag: int) -> bytes:
    vr = member.vr
    if vr in SPOKEN:
        if not all(one is None or isinstance(one, str) for one in member.values):
            raise refused(f"{path}{tag:08X}", f"a value of {vr} is no text")
        return say("\\".join(one or "" for one in member.values), vr) if member.values else b""
    if vr == "SQ":
        items = (_encoded(item, explicit, say, f"{path}{tag:08X}/{n}/") for n, item in enumerate(member.values))
        return b"".join(pack("<HHL", ITEM >> 16, ITEM & 0xFFFF, len(item)) + item for item in items)
    return member.octets if member.octets is not None else encode.value(member, f"{path}{tag:08X}")


def known(encoded: bytes) -> Members:
    """The data set of a DICOM JSON object that we made ourselves, read without suspicion."""
    return _known(msgspec.json.decode(encoded))


def _known(attributes: Mapping[str, Any]) -> Members:
    return {int(tag, 16): _member(attribute) for tag, attribute in attributes.items()}


def _member(attribute: Mapping[str, Any]) -> Member:
    vr, values = attribute["vr"], attribute.get("Value", ())
    if vr == "SQ":
        values = [_known(item or {}) for item in values]
    elif vr == "PN":
        values = ["=".join((name or {}).get(group, "") for group in GROUPS).rstrip("=") for name in values]
    inline = attribute.get("InlineBinary")
    return Member(vr, values, b64decode(inline) if inline else None, attribute.get("BulkDataURI"))


def text(member: Member) -> str:
    r"""The values of a member as one text, with `\` between them, as keys are matched; empty without any."""
    return "\\".join("" if one is None else str(one) for one in member.values)
