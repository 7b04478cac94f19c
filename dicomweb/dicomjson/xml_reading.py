"""Documents of the Native DICOM Model as data sets: the way back of `dicomweb/dicomjson/xml.py`.

expat reads them in one pass; a document type is refused, so that there are no entities to expand or to fetch.

Spec: PS3.19 A.1 (2024d)
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from dicomweb.dicomjson.reading import DEPTH_LIMIT, DataSet, checked
from healix_fhir.kernel.errors import HealixError, invalid

NAMES = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
LEAVES = frozenset({"Value", "InlineBinary", *NAMES})
INSIDE = {
    "": {"NativeDicomModel"},
    "NativeDicomModel": {"DicomAttribute"},
    "Item": {"DicomAttribute"},
    "DicomAttribute": {"Value", "Item", "PersonName", "InlineBinary", "BulkData"},
    "PersonName": set(GROUPS),
    **{group: set(NAMES) for group in GROUPS},
}
"""Which elements stand in which."""
LONGEST = DEPTH_LIMIT * 2 + 8
FIRST_BLOCK = 0x10


def read_native(document: bytes) -> DataSet:
    """The data set of a document. Raises Invalid, TooLarge."""
    reader = _Reader()
    parser = expat.ParserCreate("UTF-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(document, True)
    except expat.ExpatError as error:
        raise invalid(f"the body is no XML: line {error.lineno}, {expat.ErrorString(error.code)}") from None
    return checked(reader.members)


class _Reader:
    """What has been read: the open elements, and for each what it becomes."""

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}
        self._open: list[str] = [""]
        self._made: list[Any] = [None]
        self._text: list[str] = []

    def doctype(self, *_: object) -> None:
        """No document type is read."""
        raise invalid("a document type is not taken here", code="structure")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = name.rpartition(":")[2]
        if name not in INSIDE.get(self._open[-1], ()) or len(self._open) > LONGEST:
            raise invalid(f"<{name[:32]}> does not stand in <{self._open[-1]}>", code="structure")
        made: Any = attributes
        if name == "DicomAttribute":
            made = self._attribute(attributes)
        elif name in ("NativeDicomModel", "Item", "PersonName", *GROUPS):
            made = {}
        elif name == "BulkData":
            raise invalid("bulk data by reference is not taken here", code="not-supported")
        if name in ("Item", "Value", "PersonName") and self._made[-1] is not None:
            self._in_order(attributes)
        self._open.append(name)
        self._made.append(made)
        self._text.clear()

    def text(self, piece: str) -> None:
        """Characters; white space between elements is dropped with them."""
        if self._open[-1] in LEAVES:
            self._text.append(piece)
        elif piece.strip():
            raise invalid(f"<{self._open[-1]}> holds text", code="structure")

    def end(self, _: str) -> None:
        """An element ends: what it has become goes into the one around it."""
        name, made = self._open.pop(), self._made.pop()
        around = self._made[-1]
        text = "".join(self._text)
        if name == "NativeDicomModel":
            self.members = made
        elif name == "DicomAttribute":
            _put(around, made)
        elif name in ("Item", "PersonName"):
            around["Value"].append(made)
        elif name in GROUPS:
            around[name] = "^".join(made.get(part, "") for part in NAMES).rstrip("^")
        elif name in NAMES:
            around[name] = text
        elif name == "InlineBinary":
            around["InlineBinary"] = "".join(text.split())
        elif name == "Value":
            around["Value"].append(text)
        self._text.clear()

    def _attribute(self, attributes: dict[str, str]) -> dict[str, Any]:
        tag = attributes.get("tag", "")
        return {"tag": tag, "vr": attributes.get("vr"), "creator": attributes.get("privateCreator"), "Value": []}

    def _in_order(self, attributes: dict[str, str]) -> None:
        """Values are numbered from 1; a number that is left out is an empty value."""
        values = self._made[-1]["Value"]
        number = attributes.get("number", str(len(values) + 1))
        if not number.isascii() or not number.isdecimal() or not len(values) < int(number[:6]) <= len(values) + 1000:
            raise invalid("the values of an attribute are numbered from 1, in order", code="structure")
        if self._made[-1]["vr"] == "SQ" and int(number) != len(values) + 1:
            raise invalid("the items of a sequence are numbered from 1, in order", code="structure")
        values.extend([None] * (int(number) - len(values) - 1))


def _put(members: dict[str, Any], made: dict[str, Any]) -> None:
    """Put an attribute into its data set, a private one into a block that its creator reserves."""
    tag, creator = made.pop("tag"), made.pop("creator")
    if not made["Value"]:
        del made["Value"]
    if creator is not None:
        tag = _private(members, tag, creator)
    if tag in members:
        raise _twice(tag)
    members[tag] = made


def _private(members: dict[str, Any], tag: str, creator: str) -> str:
    if len(tag) != 8:
        return tag  # refused by its form
    group = tag[:4]
    for block in range(FIRST_BLOCK, 0x100):
        reserved = f"{group}00{block:02X}"
        holder = members.setdefault(reserved, {"vr": "LO", "Value": [creator]})
        if holder.get("Value") == [creator]:
            return f"{group}{block:02X}{tag[6:]}"
    raise invalid(f"group {group} has too many private creators", code="value")


def _twice(tag: str) -> HealixError:
    return invalid(f"{tag[:8]} is there twice", code="structure")
