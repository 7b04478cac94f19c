"""Documents of the Native DICOM Model from outside to data sets.

One pass of expat, without a tree. A document type is refused by the event that begins it, so no entity is ever
declared.
Spec: PS3.19 A.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from dicomweb.dicomjson.budget import MEMBER_LIMIT
from dicomweb.dicomjson.model import DEPTH_LIMIT, Member, Members, refused
from dicomweb.dicomjson.read_json import BINARY, GROUPS, OBJECT_LIMIT, TAG, VR, octets
from dicomweb.dicomjson.xml import COMPONENTS, PRIVATE_BLOCK
from healix_fhir.kernel.errors import invalid, too_large

NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
SEPARATOR = " "
BLOCKS = range(PRIVATE_BLOCK, 0x100)
VALUES_LIMIT = 1_000_000
"""The highest number of a value."""
HOLDERS = {"Value": "DicomAttribute", "Item": "DicomAttribute", "PersonName": "DicomAttribute",
           "BulkData": "DicomAttribute", "InlineBinary": "DicomAttribute",
           **dict.fromkeys(GROUPS, "PersonName")}  # fmt: skip


TEXTS = frozenset({"Value", "InlineBinary", *COMPONENTS})
"""The elements that hold text."""


@dataclass(slots=True)
class Attribute:
    """An attribute that is being read. `creator` is that of a private one, whose block may be left out of its tag."""

    tag: int
    vr: str
    creator: str
    values: dict[int, Any] = field(default_factory=dict)
    octets: bytes | None = None
    uri: str | None = None


@dataclass(slots=True)
class DataSet:
    """A data set, the whole or an item, that is being read."""

    attributes: list[Attribute] = field(default_factory=list)


def read(chunks: Iterable[bytes]) -> Members:
    """The data set of one document. Raises Invalid, TooLarge for a giant."""
    reader = _Reader()
    size = 0
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > OBJECT_LIMIT:
                raise too_large(
                    f"the metadata of an instance may have at most {OBJECT_LIMIT >> 20} MB; send bulk data apart"
                )
            reader.parser.Parse(chunk, False)
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        message = f"malformed XML: {expat.ErrorString(error.code)} (line {error.lineno}, column {error.offset + 1})"
        raise invalid(message, code="structure") from error
    return _members(reader.root, "")


class _Reader:
    """The state of one pass: `_open` holds the names of the open elements, `_sets` and `_attributes` what they make."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("UTF-8", SEPARATOR)
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.root = DataSet()
        self._open: list[str] = []
        self._sets: list[DataSet] = []
        self._attributes: list[Attribute] = []
        self._pieces: list[str] | None = None
        self._number = 0
        self._name: dict[str, dict[str, str]] = {}
        self._members = 0

    def _doctype(self, *_: object) -> None:
        raise invalid("a document type is not allowed", code="structure")

    def _start(self, tag: str, given: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(SEPARATOR)
        parent = self._open[-1] if self._open else ""
        if namespace not in ("", NAMESPACE) or not _belongs(name, parent):
            raise invalid(f"the element '{name[:64]}' does not belong there in a Native DICOM Model", code="structure")
        self._members += 1
        if self._members > MEMBER_LIMIT:
            raise too_large(f"a document has more than {MEMBER_LIMIT} elements")
        self._open.append(name)
        self._pieces = [] if name in TEXTS else None
        match name:
            case "NativeDicomModel":
                self._sets.append(self.root)
            case "DicomAttribute":
                self._attributes.append(self._attribute(given))
            case "Item":
                self._item(given)
            case "Value" | "PersonName":
                self._number, self._name = self._place(given, ""), {}
            case "BulkData":
                if not given.get("uri"):
                    raise refused(self._path(), "BulkData has no uri")
                self._attributes[-1].uri = given["uri"]
            case _ if name in GROUPS:
                self._name[name] = {}

    def _item(self, given: dict[str, str]) -> None:
        if len(self._sets) > DEPTH_LIMIT:
            raise invalid(f"sequences are nested more than {DEPTH_LIMIT} deep")
        self._sets.append(DataSet())
        self._place(given, self._sets[-1])

    def _attribute(self, given: dict[str, str]) -> Attribute:
        tag, vr = given.get("tag", ""), given.get("vr", "")
        if not TAG(tag):
            raise invalid("a DicomAttribute has no tag of eight hexadecimal digits", code="structure")
        if not VR(vr):
            raise refused(tag, "has no value representation (vr)")
        return Attribute(int(tag, 16), vr, given.get("privateCreator", "").strip())

    def _place(self, given: dict[str, str], value: Any) -> int:
        """Enter a value under its number; returns that."""
        text = given.get("number", "")
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 8 else 0
        values = self._attributes[-1].values
        if not 0 < number <= VALUES_LIMIT or number in values:
            raise refused(self._path(), "a value has no number of its own")
        values[number] = value
        return number

    def _text(self, text: str) -> None:
        if self._pieces is not None:
            self._pieces.append(text)
        elif text.strip():
            raise invalid("there is text between the elements of a Native DICOM Model", code="structure")

    def _end(self, tag: str) -> None:
        name = self._open.pop()
        text, self._pieces = "".join(self._pieces or ()), None
        match name:
            case "DicomAttribute":
                self._sets[-1].attributes.append(self._attributes.pop())
            case "Item" | "NativeDicomModel":
                self._sets.pop()
            case "Value":
                self._attributes[-1].values[self._number] = text
            case "InlineBinary":
                self._attributes[-1].octets = octets(text, self._attributes[-1].vr, self._path())
            case "PersonName":
                self._attributes[-1].values[self._number] = _joined(self._name)
            case _ if name in COMPONENTS:
                self._name[self._open[-1]][name] = text

    def _path(self) -> str:
        return f"{self._attributes[-1].tag:08X}"


def _belongs(name: str, parent: str) -> bool:
    if name == "NativeDicomModel":
        return not parent
    if name == "DicomAttribute":
        return parent in ("NativeDicomModel", "Item")
    return parent in GROUPS if name in COMPONENTS else HOLDERS.get(name) == parent != ""


def _joined(name: dict[str, dict[str, str]]) -> str:
    groups = ("^".join(name.get(group, {}).get(part, "") for part in COMPONENTS).rstrip("^") for group in GROUPS)
    return "=".join(groups).rstrip("=")


def _members(found: DataSet, path: str) -> Members:
    """The data set with its private elements in the blocks that their creators have, or get."""
    members: Members = {}
    blocks: dict[tuple[int, str], int] = {}
    for one in found.attributes:
        group, element = one.tag >> 16, one.tag & 0xFFFF
        if group % 2 and element in BLOCKS and one.values and not one.creator:
            blocks.setdefault((group, str(one.values[min(one.values)]).strip()), element)
    for one in found.attributes:
        tag = one.tag
        if tag >> 16 & 1 and one.creator:
            tag = _placed(one, blocks, members)
        where = f"{path}{tag:08X}"
        if tag in members:
            raise refused(where, "is there twice")
        members[tag] = _member(one, where)
    return members


def _placed(one: Attribute, blocks: dict[tuple[int, str], int], members: Members) -> int:
    """The tag of a private attribute in the block of its creator, which is entered where it is not."""
    group = one.tag >> 16
    block = blocks.get((group, one.creator))
    if block is None:
        taken = {number for (other, _), number in blocks.items() if other == group}
        given = one.tag >> 8 & 0xFF
        free = [given] if given in BLOCKS and given not in taken else [n for n in BLOCKS if n not in taken]
        if not free:
            raise refused(f"{one.tag:08X}", "there is no block left for its private creator")
        block = blocks[group, one.creator] = free[0]
        members[group << 16 | block] = Member("LO", [one.creator])
    return group << 16 | block << 8 | one.tag & 0xFF


def _member(one: Attribute, path: str) -> Member:
    if sum((bool(one.values), one.octets is not None, one.uri is not None)) > 1:
        raise refused(path, "holds more than one of values, InlineBinary and BulkData")
    if one.vr in BINARY and one.values:
        raise refused(path, f"{one.vr} has no Value but InlineBinary or BulkData")
    last = max(one.values, default=0)
    if last > len(one.values) * 1000 + 1000:
        raise refused(path, "the numbers of its values leave too much out")
    values = [one.values.get(number) for number in range(1, last + 1)]
    if one.vr == "SQ":
        items = [value for value in values if isinstance(value, DataSet)]
        if len(items) < last:
            raise refused(path, "a sequence has items 1, 2, 3 and so on")
        return Member("SQ", [_members(item, f"{path}/{n}/") for n, item in enumerate(items)])
    if any(isinstance(value, DataSet) for value in values):
        raise refused(path, f"{one.vr} has no items")
    return Member(one.vr, values, one.octets, one.uri)
