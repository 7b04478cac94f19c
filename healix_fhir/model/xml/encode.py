"""FHIR JSON objects to XML, exactly: element order, digits, extensions of primitives, narrative as it is.

Spec: FHIR R4, hl7.org/fhir/R4/xml.html, hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.elements import PRIMITIVES, RESOURCE
from healix_fhir.model.json import number_text
from healix_fhir.model.xml.slots import FHIR, Slot, slots

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
# what an attribute cannot hold as it is: whitespace would come back as blanks
ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
FORBIDDEN = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
"""The characters that XML 1.0 has no way to write."""
SPECIAL = re.compile(rf'[&<>"\t\n\r{FORBIDDEN}]')
UNWRITABLE = re.compile(f"[{FORBIDDEN}]")
INDENT = "  "


def encode(resource: Mapping[str, Any], *, pretty: bool = False) -> bytes:
    """A valid `resource` (as `model.json.decode` gives it) as an XML document; `pretty` gives each element a line.

    Raises NotAcceptable where a string holds a character that XML has not.
    """
    parts = [HEAD]
    _Writer(parts.append, pretty=pretty).resource(resource, 0, f' xmlns="{FHIR}"')
    return "".join(parts).encode()


class _Writer:
    """Writes elements through `emit`, piece by piece."""

    def __init__(self, emit: Callable[[str], None], *, pretty: bool) -> None:
        self._emit = emit
        self._pretty = pretty

    def resource(self, resource: Mapping[str, Any], depth: int, namespace: str = "") -> None:
        """A resource: an element of its type's name."""
        type_name = resource["resourceType"]
        properties = {key: value for key, value in resource.items() if key != "resourceType"}
        self._element(type_name, namespace, properties, type_name, depth)

    def _element(
        self, tag: str, attributes: str, properties: Mapping[str, Any], structure: str, depth: int, value: str = ""
    ) -> None:
        """One element: `attributes` and `value` are written already, those that its properties hold are added."""
        table = slots(structure)
        present = sorted({table[key.removeprefix("_")] for key in properties})
        for slot in present:
            if slot.attribute:
                attributes += f' {slot.key}="{escape(properties[slot.key])}"'
        children = [slot for slot in present if not slot.attribute]
        self._line(depth)
        if not children:
            self._emit(f"<{tag}{attributes}{value}/>")
            return
        self._emit(f"<{tag}{attributes}{value}>")
        for slot in children:
            self._property(slot, properties.get(slot.key), properties.get(f"_{slot.key}"), depth + 1)
        self._line(depth)
        self._emit(f"</{tag}>")

    def _property(self, slot: Slot, value: Any, sibling: Any, depth: int) -> None:
        if slot.structure in PRIMITIVES:
            pairs = zip_longest(value or (), sibling or ()) if slot.repeats else ((value, sibling),)
            for one, its in pairs:
                self._primitive(slot, one, its, depth)
            return
        for one in value if slot.repeats else (value,):
            if slot.structure == RESOURCE:
                self._line(depth)
                self._emit(f"<{slot.key}>")
                self.resource(one, depth + 1)
                self._line(depth)
                self._emit(f"</{slot.key}>")
            else:
                self._element(slot.key, "", one, slot.structure, depth)

    def _primitive(self, slot: Slot, value: Any, sibling: Any, depth: int) -> None:
        if slot.structure == "xhtml":
            self._line(depth)
            self._emit(_writable(value))
            return
        text = "" if value is None else f' value="{escape(_text(value))}"'
        self._element(slot.key, "", sibling or {}, "Element", depth, text)

    def _line(self, depth: int) -> None:
        if self._pretty:
            self._emit("\n" + INDENT * depth)


def escape(text: str) -> str:
    """`text` as the value of an attribute in double quotes."""
    return SPECIAL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return ESCAPED.get(match[0]) or _writable(match[0])


def _writable(text: str) -> str:
    if (found := UNWRITABLE.search(text)) is not None:
        raise HealixError(
            Category.NOT_ACCEPTABLE,
            f"a string holds the character U+{ord(found[0]):04X}, which XML cannot hold; ask for JSON",
        )
    return text


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if value is True or value is False:
        return "true" if value else "false"
    return number_text(value)
