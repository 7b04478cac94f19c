"""The check of an expression before it is evaluated: elements that no type on the way has are refused.

Evaluation follows paths into data of any shape, where a misspelt name is an empty result. What a type is known for is
checked here, by the element tables; where the type is open (`resolve()`, `children()`) nothing is said.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from types import MappingProxyType

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.elements import PRIMITIVES, children, fhir_type, is_structure
from healix_fhir.model.fhirpath.evaluate.navigation import is_type_name
from healix_fhir.model.fhirpath.evaluate.node import SYSTEM
from healix_fhir.model.fhirpath.tree import (
    Binary,
    Call,
    Index,
    Literal,
    Member,
    Node,
    This,
    TypeTest,
    Unary,
    Variable,
)
from healix_fhir.model.fhirpath.types import ABSTRACT, is_kind_of


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a collection: the structures that its items may have, None for any; whether it has an order."""

    structures: frozenset[str] | None
    ordered: bool = True

    def __or__(self, other: Shape) -> Shape:
        """The shape of a collection that has items of both."""
        ordered = self.ordered and other.ordered
        if self.structures is None or other.structures is None:
            return Shape(None, ordered)
        return Shape(self.structures | other.structures, ordered)


UNKNOWN = Shape(None)
BOOLEAN = Shape(frozenset({"System.Boolean"}))
STRING = Shape(frozenset({"System.String"}))
INTEGER = Shape(frozenset({"System.Integer"}))

FILTERS = frozenset(
    {
        "checkModifiers", "distinct", "exclude", "first", "intersect", "last", "single", "skip", "slice", "sort",
        "tail", "take", "trace", "where",
    }
)  # fmt: skip
"""The functions that return some of their input."""

PER_ITEM = frozenset({"aggregate", "all", "exists", "iif", "repeat", "select", "sort", "trace", "where"})
"""The functions whose arguments are evaluated with an item of the input as `$this`."""

IN_ORDER = frozenset({"first", "last", "skip", "tail", "take"})
"""The functions that mean something only where the input has an order."""

RESULTS: Mapping[str, Shape] = MappingProxyType(
    dict.fromkeys(("all", "allFalse", "allTrue", "anyFalse", "anyTrue", "comparable", "conformsTo"), BOOLEAN)
    | dict.fromkeys(("contains", "empty", "endsWith", "exists", "hasValue", "htmlChecks", "isDistinct"), BOOLEAN)
    | dict.fromkeys(("matches", "matchesFull", "memberOf", "not", "startsWith", "subsetOf", "supersetOf"), BOOLEAN)
    | dict.fromkeys(("count", "indexOf", "lastIndexOf", "length", "precision"), INTEGER)
    | dict.fromkeys(("decode", "encode", "escape", "join", "lower", "replace", "replaceMatches", "split"), STRING)
    | dict.fromkeys(("substring", "toChars", "toString", "trim", "unescape", "upper"), STRING)
    | {"children": Shape(None, ordered=False), "descendants": Shape(None, ordered=False)}
    | {"extension": Shape(frozenset({"Extension"}))}
)


def check(tree: Node, structure: str) -> None:
    """Look through an expression on a resource, data type or backbone element `structure`.

    Raises Invalid for an element that cannot be there, and for what needs an order on a collection that has none; also
    for a structure that R4 has not.
    """
    if not is_structure(structure):
        raise invalid(f"FHIRPath: there is no type {structure[:64]}")
    start = Shape(frozenset({structure}))
    _Checker(start, start).shape(tree)


class _Checker:
    """Finds the shape of expressions whose `$this` has the shape `this`."""

    def __init__(self, this: Shape, context: Shape) -> None:
        self.this = this
        self.context = context

    @singledispatchmethod
    def shape(self, node: Node) -> Shape:
        """The shape of what `node` evaluates to; nothing is known of most."""
        raise TypeError(type(node).__name__)

    @shape.register
    def _this(self, _node: This) -> Shape:
        return self.this

    @shape.register
    def _literal(self, node: Literal) -> Shape:
        return Shape(frozenset() if node.type is None else frozenset({SYSTEM + node.type}))

    @shape.register
    def _variable(self, node: Variable) -> Shape:
        return self.context if node.name == "%context" else UNKNOWN

    @shape.register
    def _unary(self, node: Unary) -> Shape:
        return self.shape(node.operand)

    @shape.register
    def _index(self, node: Index) -> Shape:
        self.shape(node.position)
        base = self.shape(node.base)
        _need_order(base, "[ ]")
        return base

    @shape.register
    def _binary(self, node: Binary) -> Shape:
        both = self.shape(node.left) | self.shape(node.right)
        return both if node.operator == "|" else UNKNOWN

    @shape.register
    def _type_test(self, node: TypeTest) -> Shape:
        base = self.shape(node.operand)
        if node.operator == "is":
            return BOOLEAN
        if not is_structure(node.type) and node.type not in PRIMITIVES:
            return replace(base, structures=None)
        if base.structures is None:
            return replace(base, structures=frozenset({node.type}))
        return replace(base, structures=frozenset(_narrowed(base.structures, node.type)))

    @shape.register
    def _member(self, node: Member) -> Shape:
        base = self.shape(node.base)
        if isinstance(node.base, This) and is_type_name(node.name):
            return _typed(base, node.name)
        if base.structures is None or not base.structures or base.structures & ABSTRACT:
            return replace(base, structures=None if base.structures != frozenset() else frozenset())
        found = frozenset(end for structure in base.structures for end in _step(structure, node.name))
        if not found:
            places = ", ".join(sorted(name.removeprefix(SYSTEM) for name in base.structures)[:5])
            raise invalid(f"FHIRPath: there is no element '{node.name[:64]}' in {places}")
        return replace(base, structures=found)

    @shape.register
    def _call(self, node: Call) -> Shape:
        base = self.shape(node.base)
        inside = _Checker(base, self.context) if node.function in PER_ITEM else self
        arguments = [inside.shape(argument) for argument in node.arguments]
        if node.function in IN_ORDER:
            _need_order(base, f"{node.function}()")
        if node.function in FILTERS:
            return base
        if node.function == "select":
            return replace(arguments[0], ordered=base.ordered and arguments[0].ordered)
        if node.function in ("union", "combine") and arguments:
            return base | arguments[0]
        return RESULTS.get(node.function, UNKNOWN)


def _step(structure: str, name: str) -> tuple[str, ...]:
    if structure in PRIMITIVES:
        return tuple(child.structure for child in children("Element", name))
    if structure == "System.TypeInfo":
        return ("System.String",)
    if not is_structure(structure) or name.endswith("[x]"):
        return ()
    return tuple(child.structure for child in children(structure, name))


def _typed(base: Shape, name: str) -> Shape:
    """`Patient` at the start of a path: what is in focus must be one, or may be."""
    if base.structures is None:
        return replace(base, structures=frozenset({name}))
    fitting = frozenset(_narrowed(base.structures, name))
    if not fitting and base.structures:
        raise invalid(f"FHIRPath: {', '.join(sorted(base.structures)[:5])} is no {name}")
    return replace(base, structures=fitting)


def _narrowed(structures: frozenset[str], wanted: str) -> list[str]:
    found = []
    for structure in structures:
        actual = structure if structure.startswith(SYSTEM) else fhir_type(structure)
        if is_kind_of(actual, wanted):
            found.append(structure)
        elif actual in ABSTRACT and is_kind_of(wanted, actual):
            found.append(wanted)
    return found


def _need_order(base: Shape, what: str) -> None:
    if not base.ordered:
        raise invalid(f"FHIRPath: {what} on children or descendants, which have no order")
