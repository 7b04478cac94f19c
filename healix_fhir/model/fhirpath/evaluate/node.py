"""Nodes: the items of a FHIRPath collection, each a value with its type and its place in a resource.

A node of a resource points into the parsed JSON; nothing is copied. What is calculated is a node of a System type
without a place. Nodes are never changed.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation; FHIR R4, hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import msgspec

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES, children, elements, is_structure, json_properties

SYSTEM = "System."
"""How the names of FHIRPath's own types begin; names of FHIR types stand alone."""


class Node(msgspec.Struct, frozen=True, eq=False):
    """One item of a collection.

    `type` is a FHIR type (`HumanName`, `code`, `Patient`) or a System type (`System.String`); `structure` names the
    element table that holds its children (`Patient.contact` for a BackboneElement). A primitive's `value` is None where
    the element has only extensions; `beside` is what JSON holds of it in the property with the underscore. `name` is
    its element name within `parent`, `index` its position where the element repeats.
    """

    value: Any
    type: str
    structure: str = ""
    beside: Any = None
    parent: Node | None = None
    name: str = ""
    index: int | None = None

    @property
    def location(self) -> str:
        """The FHIRPath of this node in its resource, as `Patient.name[0].given[1]`; empty for a calculated value."""
        steps = []
        node: Node | None = self
        while node is not None:
            steps.append(node.name if node.index is None else f"{node.name}[{node.index}]")
            node = node.parent
        return ".".join(reversed(steps))

    @property
    def is_system(self) -> bool:
        """Whether this is a value of a System type, without extensions or children."""
        return self.type.startswith(SYSTEM)


Items: TypeAlias = Sequence[Node]
"""A collection. What a function returns may be shared: it is never changed in place."""

EMPTY: Items = ()
TRUE = Node(True, "System.Boolean")
FALSE = Node(False, "System.Boolean")
YES: Items = (TRUE,)
NO: Items = (FALSE,)


def boolean(answer: bool | None) -> Items:
    """The collection of a truth value: empty for unknown."""
    return EMPTY if answer is None else YES if answer else NO


def root(resource: Mapping[str, Any]) -> Node:
    """The node of a whole resource; its type is what `resourceType` says, `Resource` where it says nothing known."""
    named = resource.get("resourceType")
    kind = named if type(named) is str and named in TYPE_ID else "Resource"
    return Node(resource, kind, kind, None, None, kind)


class Property(NamedTuple):
    """A JSON property of a structure: its key, the element name, type and structure, and whether it is an array.

    `beside` is the key of the id and extensions of a primitive, empty for other types.
    """

    key: str
    name: str
    type: str
    structure: str
    repeats: bool
    beside: str


@cache
def properties(structure: str, name: str) -> tuple[Property, ...]:
    """The JSON properties that may hold element `name` of a structure; none where there is no such element."""
    if not is_structure(structure):
        return ()
    return tuple(
        Property(
            child.key,
            name,
            child.type,
            child.structure,
            child.repeats,
            f"_{child.key}" if child.type in PRIMITIVES else "",
        )
        for child in children(structure, name)
        if not name.endswith("[x]")
    )


@cache
def every_property(structure: str) -> Mapping[str, Property]:
    """All JSON properties of a structure by their keys, those with an underscore too."""
    if not is_structure(structure):
        return {}
    found: dict[str, Property] = {}
    for name, element in elements(structure).items():
        for child in json_properties(element):
            (one,) = (one for one in properties(structure, name) if one.key == child.key)
            found[one.key] = one
            if one.beside:
                found.setdefault(one.beside, one)
    return found


def take(node: Node, place: Property) -> list[Node]:
    """The children of `node` in one JSON property.

    An array where none should be, or none where one should be, is followed all the same: what is not valid has
    locations too.
    """
    value = node.value.get(place.key)
    beside = node.value.get(place.beside) if place.beside else None
    if type(value) is list or (value is None and type(beside) is list):
        return _array(node, place, value, beside)
    if value is None and not (place.beside and type(beside) is dict):
        return []
    return [_child(node, place, value, beside, 0 if place.repeats else None)]


def _array(node: Node, place: Property, values: Any, beside: Any) -> list[Node]:
    if type(values) is not list:
        values = []
    if type(beside) is not list:
        beside = []
    found = []
    for index in range(max(len(values), len(beside))):
        value = values[index] if index < len(values) else None
        other = beside[index] if index < len(beside) else None
        if type(value) is list or (value is None and type(other) is not dict):
            continue
        found.append(_child(node, place, value, other, index))
    return found


def _child(node: Node, place: Property, value: Any, beside: Any, index: int | None) -> Node:
    kind = place.type
    if kind == "Resource":
        named = value.get("resourceType") if type(value) is dict else None
        kind = named if type(named) is str and named in TYPE_ID else kind
        return Node(value, kind, kind, None, node, place.name, index)
    return Node(value, kind, place.structure, beside if type(beside) is dict else None, node, place.name, index)


def all_children(node: Node) -> Iterator[Node]:
    """Every child of a node, in the order of the JSON; of a primitive its id and extensions."""
    holder = node if type(node.value) is dict else extensions_of(node)
    if holder is None:
        return
    table = every_property(holder.structure)
    for key in holder.value:
        place = table.get(key)
        if place is not None and (key == place.key or place.key not in holder.value):
            yield from take(holder, place)


def extensions_of(node: Node) -> Node | None:
    """The element beside a primitive that holds its id and extensions, with the primitive's own place."""
    if type(node.beside) is not dict:
        return None
    return Node(node.beside, "Element", "Element", None, node.parent, node.name, node.index)


def holder(node: Node) -> Node | None:
    """The nearest resource that a node is part of, or is."""
    found: Node | None = node
    while found is not None and found.type not in TYPE_ID:
        found = found.parent
    return found


def outermost(node: Node) -> Node:
    """The node that has no parent, above `node`."""
    while node.parent is not None:
        node = node.parent
    return node
