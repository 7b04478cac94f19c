"""Identifiers and other data sets of messages: read within bounds, written as the peer understands them.

They come and go in one of two transfer syntaxes, and are models as those of DICOM JSON in between, so that the use
cases behind DICOMweb and DIMSE are the same.

Spec: PS3.4 C.4.1.1.3 (2024d), PS3.5 6.2, 7.1 and 7.5 (2024d)
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from struct import pack
from typing import Any

import msgspec

from dicomweb.dicomjson import encode
from dicomweb.dicomjson.elements import ITEM, LONG
from dicomweb.dicomjson.encode import LISTS, PLAIN, SHORT_LONGEST, SINGLE
from dicomweb.dicomjson.model import Member, Members, refused
from dicomweb.dicomjson.read_json import BINARY, GROUPS, read
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE, IMPLICIT_LITTLE, NATIVE
from dicomweb.dicomjson.walker import walk
from dicomweb.dimse.speech import UTF_8, Say, UnsayableError, speaker
from healix_fhir.kernel.errors import invalid, too_large

SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
"""The transfer syntaxes of identifiers, in order of preference."""
LIMIT = 1 << 20
"""Bytes of an identifier: one of a thousand UIDs has 64 kB."""
CHARACTER_SET = 0x00080005
SPOKEN = (LISTS | SINGLE) - PLAIN - {"UR", "DS", "IS"}
"""Value representations whose text depends on the character set."""


@dataclass(frozen=True, slots=True)
class Identifier:
    """A data set with its Specific Character Set, which is no longer that of the members: they are text."""

    members: Members
    character_set: tuple[str, ...] = ()


@dataclass(slots=True)
class Gathering:
    """The data set of a message as it comes, of `most` bytes; what is too long is not kept."""

    most: int = LIMIT
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
        return parse(bytes(self._data), TransferSyntaxUID)


def parse(data: bytes, TransferSyntaxUID: str) -> Identifier:  # noqa: N803 - a DICOM keyword
    """A data set in one of `SYNTAXES`. Raises Invalid for what is none, TooLarge for a value that is bulk data."""
    header = walk(data, 0, len(data), NATIVE[TransferSyntaxUID], frozenset())
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
    return b"".join(_elements(told, explicit, speaker(terms), ""))


def _elements(members: Members, explicit: bool, say: Say, path: str) -> Iterator[bytes]:
    for tag in sorted(members):
        member = members[tag]
        content = _content(member, explicit, say, f"{path}{tag:08X}")
        if len(content) % 2:
            content += b"\0" if member.vr in BINARY or member.vr == "UI" else b" "
        yield _head(tag, member.vr, len(content), explicit)
        yield content


def _head(tag: int, vr: str, length: int, explicit: bool) -> bytes:
    group, element = tag >> 16, tag & 0xFFFF
    if not explicit:
        return pack("<HHL", group, element, length)
    if vr in LONG:
        return pack("<HH2sxxL", group, element, vr.encode(), length)
    if length > SHORT_LONGEST:
        raise invalid(f"{tag:08X}: its value is too long for {vr}", code="structure")
    return pack("<HH2sH", group, element, vr.encode(), length)


def _content(member: Member, explicit: bool, say: Say, path: str) -> bytes:
    if member.vr == "SQ":
        items = (b"".join(_elements(item, explicit, say, f"{path}/{n}/")) for n, item in enumerate(member.values))
        return b"".join(pack("<HHL", ITEM >> 16, ITEM & 0xFFFF, len(item)) + item for item in items)
    if member.vr in SPOKEN:
        if not all(one is None or isinstance(one, str) for one in member.values):
            raise refused(path, f"a value of {member.vr} is no text")
        return say("\\".join(one or "" for one in member.values), member.vr)
    return member.octets if member.octets is not None else encode.value(member, path)


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
