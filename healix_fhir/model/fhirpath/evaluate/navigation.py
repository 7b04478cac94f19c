"""Steps into the tree of a resource: members, children and descendants.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#tree-navigation
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import is_structure
from healix_fhir.model.fhirpath.evaluate.function import Function, on_items
from healix_fhir.model.fhirpath.evaluate.node import (
    Items,
    Node,
    Property,
    all_children,
    extensions_of,
    properties,
    take,
)
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope
from healix_fhir.model.fhirpath.evaluate.system import node_of
from healix_fhir.model.fhirpath.types import ABSTRACT, is_kind_of

FEW = 16
"""A step on so many items is in the price of the expression around it."""


def member(base: Run, name: str) -> Run:
    """The children called `name` of each item; a choice has one name, whatever its type."""
    known: dict[str, tuple[Property, ...]] = {}

    def run(scope: Scope) -> Items:
        items = base(scope)
        if len(items) > FEW:
            scope.evaluation.spend(len(items))
        found: list[Node] = []
        for node in items:
            places = known.get(node.structure)
            if places is None:
                places = known[node.structure] = properties(node.structure, name)
            if type(node.value) is dict:
                if places:
                    for place in places:
                        if place.key in node.value or place.beside in node.value:
                            found += take(node, place)
                elif node.type == "System.TypeInfo" and name in node.value:
                    found.append(node_of(node.value[name]))
            elif node.beside is not None:
                found += _beside(node, name)
        return found

    return run


def _beside(node: Node, name: str) -> list[Node]:
    """A child of a primitive: its id or extensions."""
    element = extensions_of(node)
    return [] if element is None else [child for place in properties("Element", name) for child in take(element, place)]


def is_type_name(name: str) -> bool:
    """Whether an expression may start with `name` to say what type it is about."""
    return name[:1].isupper() and (name in TYPE_ID or name in ABSTRACT or is_structure(name))


def typed(base: Run, name: str) -> Run:
    """`Patient` at the start of a path: what is in focus, if it is of that type."""
    return lambda scope: [node for node in base(scope) if is_kind_of(node.type, name)]


def _children(items: Items, scope: Scope) -> Items:
    found = [child for node in items for child in all_children(node)]
    scope.evaluation.spend(len(found))
    return found


def _descendants(items: Items, scope: Scope) -> Items:
    """The children and theirs, level by level; other than `repeat(children())`, equal ones are all kept."""
    found: list[Node] = []
    level = items
    while level:
        level = _children(level, scope)
        found += level
    return found


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {"children": on_items(_children), "descendants": on_items(_descendants)}
)
