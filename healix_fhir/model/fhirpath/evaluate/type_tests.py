"""Types: `is`, `as`, `ofType()` and `type()`.

`is` knows that a code is a string and a Patient a resource. `as` and `ofType()` take a primitive only as what it is:
the expressions of R4 list `canonical`, `uri`, `url` one by one, and the official suite has it so.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#types-1; FHIR R4, hl7.org/fhir/R4/fhirpath.html#types
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.elements import PRIMITIVES, is_structure
from healix_fhir.model.fhirpath.evaluate.function import Function, on_items
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, SYSTEM, Items, Node, boolean
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope, several, single
from healix_fhir.model.fhirpath.tree import TypeTest
from healix_fhir.model.fhirpath.types import ABSTRACT, is_kind_of

SYSTEM_TYPES = frozenset(
    {"Any", "Boolean", "Date", "DateTime", "Decimal", "Integer", "Quantity", "String", "Time", "TypeInfo"}
)


def type_test(base: Run, asked: TypeTest) -> Run:
    """The compiled `is`, `as` or `ofType()`. Raises Invalid for a type that does not exist."""
    if asked.operator == "is":
        return _is(base, _test(asked, exact=False))
    test = _test(asked, exact=True)
    if asked.operator == "ofType":
        return lambda scope: [node for node in base(scope) if test(node)]

    def run(scope: Scope) -> Items:
        items = base(scope)
        if len(items) > 1 and not scope.evaluation.environment.several_as:
            raise several("the input of as", items)
        return [node for node in items if test(node)]

    return run


def _is(base: Run, test: Callable[[Node], bool]) -> Run:
    def run(scope: Scope) -> Items:
        node = single(base(scope), "the input of is")
        return EMPTY if node is None else boolean(test(node))

    return run


def _test(asked: TypeTest, *, exact: bool) -> Callable[[Node], bool]:
    """Whether a node is of the type; a name without namespace is FHIR's first, then FHIRPath's own."""
    name, namespace = asked.type, asked.namespace
    known = name in PRIMITIVES or name in ABSTRACT or is_structure(name)
    if name in SYSTEM_TYPES and namespace != "FHIR" and not known:
        return _system(name)
    if namespace == "System":
        return _system(name)
    if not known:
        raise invalid(f"FHIRPath: there is no type {namespace and namespace + '.'}{name[:64]}")
    if exact and name in PRIMITIVES:
        return lambda node: node.type == name
    if name == "Quantity" and not namespace:
        return lambda node: node.type == "System.Quantity" or is_kind_of(node.type, name)
    return lambda node: not node.is_system and is_kind_of(node.type, name)


def _system(name: str) -> Callable[[Node], bool]:
    wanted = SYSTEM + name
    return lambda node: node.type == wanted or (name == "Any" and node.is_system)


def _type(items: Items, _scope: Scope) -> Items:
    return [_info(node) for node in items]


def _info(node: Node) -> Node:
    namespace, _, name = node.type.rpartition(".")
    return Node({"namespace": namespace or "FHIR", "name": name}, "System.TypeInfo")


FUNCTIONS: Mapping[str, Function] = MappingProxyType({"type": on_items(_type)})
