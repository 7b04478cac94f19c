"""Parts of a resource: `_summary` and `_elements`, and the tag that tells a part from the whole.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#summary, #elements
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES, RESOURCE, Child, Element, elements, json_properties
from healix_fhir.model.json import decode_stored, encode

NAMES = ("_summary", "_elements")
SUMMARIES = ("true", "text", "data", "count", "false")
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
"""Says that the resource is not whole, so that nobody stores it over the whole one."""
ALWAYS = ("resourceType", "id", "meta")
NESTED = ("id", "extension")  # belong to the value that they stand in


class Subset(msgspec.Struct, frozen=True):
    """What is wanted: one of SUMMARIES, or the elements named as (type, element), the type empty for that searched."""

    summary: str = "false"
    elements: tuple[tuple[str, str], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all of every resource is wanted."""
        return self.summary == "false" and not self.elements

    def apply(self, body: bytes, *, included: bool = False) -> bytes:
        """What is wanted of a stored resource; `included`: it came with a search, and is none of its matches."""
        resource = decode_stored(body)
        part = _part(resource, self, included=included)
        return body if part is None else encode(_tagged(part))


def add(subset: Subset, name: str, value: str) -> Subset:
    """`subset` with one more parameter. Raises Invalid for a value that is none."""
    if name == "_summary":
        if value not in SUMMARIES:
            raise invalid(f"_summary must be true, text, data, count or false, not '{value[:50]}'", code="value")
        if subset.summary not in ("false", value):
            raise invalid("_summary cannot have two values", code="value")
        return Subset(value, subset.elements)
    return Subset(subset.summary, subset.elements + tuple(_named(one) for one in value.split(",")))


RESOURCE_TYPE = "resourceType"
"""No element, but clients list it among those they want, and it is always there."""


def check(subset: Subset, types: Sequence[str], *, includes: bool = False) -> None:
    """Raise Invalid for what cannot be had of resources of `types`, or together, or with `includes`."""
    if subset.elements and subset.summary not in ("false", "count"):
        raise invalid("_elements and _summary exclude each other", code="value")
    if includes and subset.summary == "text":
        raise invalid("_summary=text cannot be combined with _include and _revinclude", code="value")
    for type_name, element in subset.elements:
        if element == RESOURCE_TYPE:
            continue
        if not any(element in _properties(one) for one in ([type_name] if type_name else types)):
            where = type_name or " or ".join(types[:3])
            raise invalid(f"_elements: {where} has no element '{element[:64]}'", code="value")


def read_subset(params: Iterable[tuple[str, str]], types: Sequence[str]) -> Subset | None:
    """The subset that the parameters of a request for resources of `types` ask for, checked; None for all of them."""
    subset = Subset()
    for name, value in params:
        if name in NAMES:
            subset = add(subset, name, value)
    if subset.whole:
        return None
    check(subset, types)
    return subset


def part_of_one(body: bytes, type_name: str, params: Sequence[tuple[str, str]]) -> bytes:
    """What the parameters of a read want of a stored resource. Raises Invalid for what cannot be had."""
    subset = read_subset(params, (type_name,)) if params else None
    if subset is None:
        return body
    if subset.summary == "count":
        raise invalid("_summary=count is for searches and histories", code="value")
    return subset.apply(body)


def _named(text: str) -> tuple[str, str]:
    type_name, dot, element = text.strip().rpartition(".")
    if dot and type_name not in TYPE_ID:
        raise invalid(f"_elements: '{text[:64]}' is no element at the top of a resource", code="value")
    return type_name, element.removesuffix("[x]")


def _part(resource: Mapping[str, Any], subset: Subset, *, included: bool) -> dict[str, Any] | None:
    """The wanted part; None where that is all of it."""
    type_name = resource["resourceType"]
    table = _properties(type_name)
    if subset.summary == "true":
        return _summary(resource, type_name, ALWAYS)
    if subset.summary == "text":
        return {key: value for key, value in resource.items() if key in (*ALWAYS, "text") or _property(table, key).min}
    if subset.summary == "data":
        return {key: value for key, value in resource.items() if key != "text"}
    named = {name for of, name in subset.elements if of == type_name or (not of and not included)}
    if not named:
        return None
    return {
        key: value
        for key, value in resource.items()
        if key in ALWAYS or key.removeprefix("_") in named or _is_named(_property(table, key), named)
    }


def _is_named(element: Element, named: set[str]) -> bool:
    """Elements that change what others mean are never left out, nor are those that must be there."""
    return element.name in named or bool(element.min) or element.modifier


def _summary(value: Mapping[str, Any], structure: str, always: tuple[str, ...]) -> dict[str, Any]:
    table = _properties(structure)
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if key in always:
            kept[key] = item
            continue
        element, child = table[key.removeprefix("_")]
        if element.summary or element.min or element.modifier:
            kept[key] = item if key[0] == "_" or _is_opaque(child) else _each(item, child)
    return kept


def _is_opaque(child: Child) -> bool:
    return child.structure in PRIMITIVES or child.structure == RESOURCE


def _each(item: Any, child: Child) -> Any:
    if child.repeats:
        return [_inner(one, child) for one in item]
    return _inner(item, child)


def _inner(value: Mapping[str, Any], child: Child) -> Mapping[str, Any]:
    """The summary of a value; all of it where nothing would be left, since an element cannot be empty."""
    return _summary(value, child.structure, NESTED) or value


def is_subsetted(resource: Mapping[str, Any]) -> bool:
    """Whether a valid resource says that it is a part only."""
    tags = resource.get("meta", {}).get("tag", ())
    return any(tag.get("system") == SUBSETTED["system"] and tag.get("code") == SUBSETTED["code"] for tag in tags)


def _tagged(part: dict[str, Any]) -> dict[str, Any]:
    meta = part.get("meta", {})
    if not is_subsetted(part):
        meta = {**meta, "tag": [*meta.get("tag", ()), SUBSETTED]}
    head = {key: part[key] for key in ("resourceType", "id") if key in part}
    return head | {"meta": meta} | {key: value for key, value in part.items() if key not in ALWAYS}


def _property(table: Mapping[str, tuple[Element, Child]], key: str) -> Element:
    return table[key.removeprefix("_")][0]


@cache
def _properties(structure: str) -> Mapping[str, tuple[Element, Child]]:
    """Element and form of each JSON property of a structure, and of each choice by its bare name."""
    found: dict[str, tuple[Element, Child]] = {}
    for element in elements(structure).values():
        for child in json_properties(element):
            found.setdefault(element.name, (element, child))
            found[child.key] = (element, child)
    return MappingProxyType(found)
