"""From the tree of an expression to closures, one for each node of the tree.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#expressions
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatch
from types import MappingProxyType

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.fhirpath import tree
from healix_fhir.model.fhirpath.evaluate import (
    arithmetic,
    boundary,
    comparison,
    conversion,
    existence,
    fhir,
    filtering,
    logic,
    mathematics,
    navigation,
    strings,
    subsetting,
    type_tests,
    utility,
)
from healix_fhir.model.fhirpath.evaluate.function import Argument, Function
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items, Node
from healix_fhir.model.fhirpath.evaluate.scope import Environment, Evaluation, Run, Scope
from healix_fhir.model.fhirpath.evaluate.system import INTEGER_RANGE, literal, node_of

FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        **boundary.FUNCTIONS,
        **conversion.FUNCTIONS,
        **existence.FUNCTIONS,
        **fhir.FUNCTIONS,
        **filtering.FUNCTIONS,
        **mathematics.FUNCTIONS,
        **navigation.FUNCTIONS,
        **strings.FUNCTIONS,
        **subsetting.FUNCTIONS,
        **type_tests.FUNCTIONS,
        **utility.FUNCTIONS,
    }
)
"""Every function, beside `is`, `as` and `ofType`, which the parser knows."""

OPERATORS: Mapping[str, Callable[[Run, Run], Run]] = MappingProxyType(
    {**arithmetic.OPERATORS, **comparison.OPERATORS, **logic.OPERATORS, "|": subsetting.union}
)


@singledispatch
def compiled(node: tree.Node) -> Run:
    """The closure that evaluates `node`. Raises Invalid for what can never be evaluated, Unsupported by name."""
    raise invalid(f"FHIRPath: {type(node).__name__} is not known")


@compiled.register
def _this(_node: tree.This) -> Run:
    return lambda scope: scope.this


@compiled.register
def _literal(node: tree.Literal) -> Run:
    items = _constant(node)
    return lambda _scope: items


def _constant(node: tree.Literal) -> Items:
    value, kind = node.value, node.type
    if value is None or kind is None:
        return EMPTY
    if type(value) is str and kind != "String":
        return (node_of(literal(kind, value)),)
    if type(value) is int and value not in INTEGER_RANGE:
        raise invalid(f"FHIRPath: {value} is beyond the range of an Integer")
    return (node_of(value),)


@compiled.register
def _variable(node: tree.Variable) -> Run:
    if node.name == "$index":
        return _index_variable
    if node.name == "$total":
        return lambda scope: scope.total
    name = node.name[1:]
    return lambda scope: scope.evaluation.variable(name)


def _index_variable(scope: Scope) -> Items:
    return EMPTY if scope.index is None else (node_of(scope.index),)


@compiled.register
def _member(node: tree.Member) -> Run:
    base = compiled(node.base)
    if isinstance(node.base, tree.This) and navigation.is_type_name(node.name):
        return navigation.typed(base, node.name)
    return navigation.member(base, node.name)


@compiled.register
def _index(node: tree.Index) -> Run:
    return subsetting.index(compiled(node.base), compiled(node.position))


@compiled.register
def _unary(node: tree.Unary) -> Run:
    if isinstance(node.operand, tree.Literal) and node.operator == "-" and type(node.operand.value) is int:
        items = (node_of(-node.operand.value),)
        return lambda _scope: items
    build = arithmetic.negative if node.operator == "-" else arithmetic.positive
    return build(compiled(node.operand))


@compiled.register
def _binary(node: tree.Binary) -> Run:
    run = OPERATORS[node.operator](compiled(node.left), compiled(node.right))
    return _folded(run) if node.operator == "|" and _is_list(node) else run


def _is_list(node: tree.Node) -> bool:
    """Whether a union is one of literals: its value is always the same."""
    if isinstance(node, tree.Binary) and node.operator == "|":
        return _is_list(node.left) and isinstance(node.right, tree.Literal)
    return isinstance(node, tree.Literal)


def _folded(run: Run) -> Run:
    items = run(Scope(Evaluation(Node(None, ""), Environment()), EMPTY))
    return lambda _scope: items


@compiled.register
def _type_test(node: tree.TypeTest) -> Run:
    return type_tests.type_test(compiled(node.operand), node)


@compiled.register
def _call(node: tree.Call) -> Run:
    function = FUNCTIONS.get(node.function)
    if function is None:
        raise invalid(f"FHIRPath: there is no function {node.function[:64]}()")
    if not function.least <= len(node.arguments) <= function.most:
        raise invalid(f"FHIRPath: {node.function}() does not take {len(node.arguments)} arguments")
    arguments = tuple(_argument(node.function, argument) for argument in node.arguments)
    return function.build(compiled(node.base), arguments)


def _argument(function: str, node: tree.Node) -> Argument:
    key = filtering.sort_key(node) if function == "sort" else node
    return Argument(compiled(key), node, tree.size(node))
