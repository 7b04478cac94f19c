"""From the tree of a FHIRPath expression to typed branches, by the element tables of R4.

The part of the language that search parameters need is compiled; anything else is refused by name (Unsupported). An
element that the type does not have is refused too, so that a misspelt path is never an empty result.

Spec: FHIRPath N1 (2.0.0); FHIR R4, hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from functools import singledispatchmethod

from healix_fhir.kernel.errors import too_large, unsupported
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES, Child, children, elements, is_structure
from healix_fhir.model.fhirpath import operators
from healix_fhir.model.fhirpath.branch import RESOLVED, Branch, Items, Stage, computed, gather, present
from healix_fhir.model.fhirpath.functions import FUNCTIONS
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
from healix_fhir.model.fhirpath.types import ABSTRACT, is_kind_of, target_type

LITERAL_TYPES = {"Boolean": "boolean", "String": "string", "Integer": "integer", "Decimal": "decimal"}


BRANCHES = 5000
"""Branches of an expression: each choice element on the way multiplies them."""


class Compiler:
    """Compiles expressions whose focus is an item described by `focus`, a branch without steps."""

    def __init__(self, focus: Branch) -> None:
        self.focus = focus

    def within(self, branch: Branch) -> Compiler:
        """The compiler of a criterion on the items at the end of `branch`."""
        return Compiler(Branch(branch.type, branch.structure))

    @singledispatchmethod
    def branches(self, node: Node) -> tuple[Branch, ...]:
        """The branches of `node`; none when it is about another resource type. Raises Unsupported."""
        raise unsupported(f"FHIRPath: {type(node).__name__} is not supported")

    @branches.register
    def _this(self, _node: This) -> tuple[Branch, ...]:
        return (self.focus,)

    @branches.register
    def _literal(self, node: Literal) -> tuple[Branch, ...]:
        value = node.value
        if node.type not in LITERAL_TYPES:
            raise unsupported(f"FHIRPath: the literal {value if node.type else '{}'} is not supported")
        return computed(LITERAL_TYPES[node.type], lambda _items: [value])

    @branches.register
    def _variable(self, node: Variable) -> tuple[Branch, ...]:
        raise unsupported(f"FHIRPath: the variable {node.name} is not supported")

    @branches.register
    def _unary(self, node: Unary) -> tuple[Branch, ...]:
        raise unsupported(f"FHIRPath: the sign {node.operator} is not supported")

    @branches.register
    def _member(self, node: Member) -> tuple[Branch, ...]:
        if isinstance(node.base, This) and (node.name in TYPE_ID or node.name in ABSTRACT):
            return (self.focus,) if is_kind_of(self.focus.type, node.name) else ()
        base = self.branches(node.base)
        found = tuple(end for branch in base for end in step(branch, node.name))
        if len(found) > BRANCHES:
            raise too_large(f"FHIRPath: '{node.name}' leads to more than {BRANCHES} kinds of values; name their types")
        if base and not found:
            places = ", ".join(sorted({branch.structure for branch in base}))
            raise unsupported(f"FHIRPath: there is no element '{node.name}' in {places}")
        return found

    @branches.register
    def _index(self, node: Index) -> tuple[Branch, ...]:
        position = node.position
        if not isinstance(position, Literal) or not isinstance(position.value, int):
            raise unsupported("FHIRPath: an index that is not a number is not supported")
        start = position.value
        return tuple(branch.then(lambda items: items[start : start + 1]) for branch in self.single(node.base, "[]"))

    def single(self, node: Node, operation: str) -> tuple[Branch, ...]:
        """At most one branch: for operations on the order of a collection. Raises Unsupported for several."""
        branches = self.branches(node)
        if len(branches) > 1:
            raise unsupported(f"FHIRPath: {operation} on values of several types is not supported")
        return branches

    @branches.register
    def _binary(self, node: Binary) -> tuple[Branch, ...]:
        left, right = self.branches(node.left), self.branches(node.right)
        if node.operator == "|":
            return left + right
        operator = operators.BINARY.get(node.operator)
        if operator is None:
            raise unsupported(f"FHIRPath: the operator {node.operator} is not supported")
        if not left and not right:
            return ()
        return computed("boolean", operator(gather(left), gather(right)))

    @branches.register
    def _type_test(self, node: TypeTest) -> tuple[Branch, ...]:
        base = self.branches(node.operand)
        if not is_structure(node.type) and node.type not in PRIMITIVES:
            raise unsupported(f"FHIRPath: the type {node.type} is not supported")
        if node.operator == "is":
            return computed("boolean", _type_check(base, node.type)) if base else ()
        return tuple(end for branch in base for end in _narrow(branch, node.type))

    @branches.register
    def _call(self, node: Call) -> tuple[Branch, ...]:
        function = FUNCTIONS.get(node.function)
        if function is None:
            raise unsupported(f"FHIRPath: the function {node.function}() is not supported")
        return function(self, node)


def step(branch: Branch, name: str) -> tuple[Branch, ...]:
    """The branches from the end of `branch` to its child element `name`; none when it has no such child."""
    if branch.type in PRIMITIVES:
        return _beside(branch, name)
    if not is_structure(branch.structure):
        return ()
    found = children(branch.structure, name)
    binding = elements(branch.structure)[name].binding if found else ""
    return tuple(_to_child(branch, child, binding) for child in found)


def _to_child(branch: Branch, child: Child, binding: str) -> Branch:
    end = Branch(child.type, child.structure, (*branch.steps, child.key), binding)
    return end.then(present) if child.repeats and child.type in PRIMITIVES else end


def _beside(branch: Branch, name: str) -> tuple[Branch, ...]:
    """The id and extensions of a primitive, which JSON holds in a property of their own.

    Spec: FHIR R4, hl7.org/fhir/R4/json.html#primitive
    """
    steps = branch.steps[:-1] if branch.steps and branch.steps[-1] is present else branch.steps
    if name not in ("id", "extension") or not steps or not isinstance(steps[-1], str):
        return ()
    element = Branch("Element", "Element", (*steps[:-1], f"_{steps[-1]}", present))
    return step(element, name)


def _narrow(branch: Branch, wanted: str) -> tuple[Branch, ...]:
    if branch.type == RESOLVED:
        raise unsupported("FHIRPath: resolve() is followed only by 'is'")
    if is_kind_of(branch.type, wanted):
        return (branch,)
    if branch.type in ABSTRACT and is_kind_of(wanted, branch.type):
        typed = Branch(wanted, wanted, branch.steps)
        return (typed.then(lambda items: [item for item in items if item["resourceType"] == wanted]),)
    return ()


def _type_check(branches: tuple[Branch, ...], wanted: str) -> Stage:
    """`is`: whether the one item is of type `wanted`; nothing when there is no item."""
    if branches[0].type == RESOLVED:
        targets = gather(branches)
        return lambda items: [target_type(found) == wanted for found in targets(items)]
    return gather([branch.then(_typed(branch.type, wanted)) for branch in branches])


def _typed(type_name: str, wanted: str) -> Stage:
    if type_name in ABSTRACT:

        def check(items: Items) -> Items:
            return [is_kind_of(item["resourceType"], wanted) for item in items]

        return check
    answer = is_kind_of(type_name, wanted)
    return lambda items: [answer for _ in items]
