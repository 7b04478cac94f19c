"""Where a resource refers to others, and the rewriting of those places when a bundle's entries get their ids.

Elements are found by their types in the element tables, never by their text: an Identifier.value that looks like a
reference stays as it is.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#trules and hl7.org/fhir/R4/bundle.html#references
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES, elements, json_properties

ADDRESSES = frozenset({"uri", "url"})
"""Types whose values follow their target. A canonical names a thing wherever it is: R4 has it stay as it is.

R4 lists oid and uuid as well; but these are URNs, and with an address in their place the resource would not be valid.
"""
LINK = re.compile(r"""(?P<before>\s(?:href|src)=(?P<quote>["']))(?P<target>[^"'<]+)(?P=quote)""")


class Slot(NamedTuple):
    """One property that holds a text which may point to a resource: its object and key, its list position, what it is.

    `kind` is `reference` for Reference.reference, `address` for the types of ADDRESSES, `xhtml` for a narrative.
    """

    location: str
    holder: Any
    key: str | int
    kind: str

    @property
    def text(self) -> str:
        """The text as it stands."""
        return str(self.holder[self.key])


def references(resource: dict[str, Any]) -> list[tuple[str, str]]:
    """The FHIRPath location and the text of every literal reference, contained resources and extensions included."""
    return [(slot.location, slot.text) for slot in _slots(resource) if slot.kind == "reference"]


def rewrite(resource: dict[str, Any], mapping: Mapping[str, str], versions: Mapping[str, int] | None = None) -> None:
    """Replace in place whatever refers to a key of `mapping` (a fullUrl) by its value, as in `Patient/123`.

    References keep a fragment, and stay specific to a version: to that of the new address in `versions` where it is
    known. URIs are replaced when they are equal; links of narratives as well.
    """
    if not mapping:
        return
    for slot in _slots(resource):
        before = slot.text
        after = REWRITERS[slot.kind](before, mapping)
        if after != before:
            slot.holder[slot.key] = _versioned(after, versions) if versions else after


def local(value: Any, bases: tuple[str, ...]) -> Any:
    """The same with references to this server in their short form, whatever version they name."""
    if isinstance(value, dict):
        return {name: _short(one, bases) if name == "reference" else local(one, bases) for name, one in value.items()}
    return [local(one, bases) for one in value] if isinstance(value, list) else value


def _short(written: Any, bases: tuple[str, ...]) -> Any:
    if not isinstance(written, str):
        return local(written, bases)
    for base in bases:
        written = written.removeprefix(f"{base}/")
    return written.partition("/_history/")[0]


def _versioned(text: str, versions: Mapping[str, int]) -> str:
    address, specific, _ = text.partition("/_history/")
    return f"{address}/_history/{versions[address]}" if specific and address in versions else text


def _reference(text: str, mapping: Mapping[str, str]) -> str:
    target = mapping.get(text)
    if target is not None:
        return target
    for separator in ("#", "/_history/"):
        address, found, rest = text.partition(separator)
        if found and address in mapping:
            return f"{mapping[address]}{separator}{rest}"
    return text


def _address(text: str, mapping: Mapping[str, str]) -> str:
    return mapping.get(text, text)


def _narrative(text: str, mapping: Mapping[str, str]) -> str:
    def link(match: re.Match[str]) -> str:
        return f"{match['before']}{mapping.get(match['target'], match['target'])}{match['quote']}"

    return LINK.sub(link, text)


REWRITERS: dict[str, Callable[[str, Mapping[str, str]], str]] = {
    "reference": _reference,
    "address": _address,
    "xhtml": _narrative,
}


def _slots(resource: dict[str, Any]) -> Iterator[Slot]:
    """The slots of a resource; what breaks the structure of R4 is passed over."""
    name = resource.get("resourceType")
    return _walk(resource, name, name) if isinstance(name, str) and name in TYPE_ID else iter(())


def _walk(value: dict[str, Any], structure: str, location: str) -> Iterator[Slot]:
    table = _table(structure)
    for key, item in value.items():
        step = table.get(key)
        if step is None:
            continue
        for holder, place, inner, where in _items(value, key, item, f"{location}.{step.name}"):
            if isinstance(inner, str):
                if step.kind:
                    yield Slot(where, holder, place, step.kind)
            elif isinstance(inner, dict) and step.structure:
                if step.structure == "Resource":
                    name = inner.get("resourceType")
                    if isinstance(name, str) and name in TYPE_ID:
                        yield from _walk(inner, name, where)
                else:
                    yield from _walk(inner, step.structure, where)


def _items(value: dict[str, Any], key: str, item: Any, location: str) -> Iterator[tuple[Any, Any, Any, str]]:
    """(holder, key or position, value, location) of a property's one or several values."""
    if isinstance(item, list):
        for position, inner in enumerate(item):
            yield item, position, inner, f"{location}[{position}]"
    else:
        yield value, key, item, location


class _Step(NamedTuple):
    """A property worth following: the element's name, and the kind of slot it is or the structure of its objects."""

    name: str
    kind: str
    structure: str


@cache
def _table(structure: str) -> dict[str, _Step]:
    """The properties of a structure under which a slot can be."""
    table = {}
    for element in elements(structure).values():
        for child in json_properties(element):
            if child.structure not in PRIMITIVES:
                table[child.key] = _Step(element.name, "", child.structure)
                continue
            kind = _kind(structure, element.name, child.structure)
            if kind:
                table[child.key] = _Step(element.name, kind, "")
            table[f"_{child.key}"] = _Step(element.name, "", "Element")
    return table


def _kind(structure: str, name: str, type_name: str) -> str:
    if structure == "Reference" and name == "reference":
        return "reference"
    if (structure, name) == ("Bundle.entry", "fullUrl"):  # names the entry itself
        return ""
    return "address" if type_name in ADDRESSES else "xhtml" if type_name == "xhtml" else ""
