"""Filtering, projection and aggregation: functions whose argument is evaluated for each item.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#filtering-and-projection, #aggregates
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cmp_to_key
from types import MappingProxyType

from healix_fhir.model.fhirpath import tree
from healix_fhir.model.fhirpath.evaluate.comparison import order
from healix_fhir.model.fhirpath.evaluate.equality import key as key_of
from healix_fhir.model.fhirpath.evaluate.function import Argument, Arguments, Function
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items, Node
from healix_fhir.model.fhirpath.evaluate.scope import Evaluation, Run, Scope, single, truth


def matching(items: Items, criterion: Argument, scope: Scope) -> Iterator[Node]:
    """The items for which `criterion` is true."""
    if not items:
        return
    scope.evaluation.spend(len(items) * criterion.cost)
    run = criterion.run
    inner = Scope(scope.evaluation, EMPTY, None, scope.total)
    for index, item in enumerate(items):
        inner.this, inner.index = (item,), index
        if truth(run(inner)):
            yield item


def _where(base: Run, arguments: Arguments) -> Run:
    (criterion,) = arguments
    return lambda scope: list(matching(base(scope), criterion, scope))


def project(items: Items, projection: Argument, scope: Scope) -> list[Node]:
    """What `projection` makes of each item, in one collection."""
    scope.evaluation.spend(len(items) * projection.cost)
    inner = Scope(scope.evaluation, EMPTY, None, scope.total)
    found: list[Node] = []
    for index, item in enumerate(items):
        inner.this, inner.index = (item,), index
        made = projection.run(inner)
        scope.evaluation.spend(len(made))
        found.extend(made)
    return found


def _select(base: Run, arguments: Arguments) -> Run:
    (projection,) = arguments
    return lambda scope: project(base(scope), projection, scope)


def _repeat(base: Run, arguments: Arguments) -> Run:
    """Again and again on what is new, until nothing is."""
    (projection,) = arguments

    def run(scope: Scope) -> Items:
        found: dict[object, Node] = {}
        fresh = list(base(scope))
        while fresh:
            made = project(fresh, projection, scope)
            fresh = []
            for node in made:
                mark = key_of(node, scope.evaluation)
                if mark not in found:
                    found[mark] = node
                    fresh.append(node)
        return list(found.values())

    return run


def _aggregate(base: Run, arguments: Arguments) -> Run:
    aggregator = arguments[0]

    def run(scope: Scope) -> Items:
        items = base(scope)
        scope.evaluation.spend(len(items) * aggregator.cost)
        total = arguments[1].run(scope) if len(arguments) > 1 else EMPTY
        inner = Scope(scope.evaluation, EMPTY, None, total)
        for index, item in enumerate(items):
            inner.this, inner.index = (item,), index
            inner.total = aggregator.run(inner)
        return inner.total

    return run


def _sort(base: Run, arguments: Arguments) -> Run:
    """By each key in turn; a key with a minus sign counts downwards. What has no key comes last, or first downwards.

    Not in N1: from the continuous build, which the official suite tests.
    """

    def run(scope: Scope) -> Items:
        items = list(base(scope))
        inner = Scope(scope.evaluation, EMPTY, None, scope.total)
        if not arguments:
            return _sorted(items, [(item,) for item in items], scope.evaluation, descending=False)
        for argument in reversed(arguments):
            scope.evaluation.spend(len(items) * argument.cost)
            keys: list[Items] = []
            for index, item in enumerate(items):
                inner.this, inner.index = (item,), index
                keys.append(argument.run(inner))
            items = _sorted(items, keys, scope.evaluation, descending=_descends(argument))
        return items

    return run


def _descends(argument: Argument) -> bool:
    return isinstance(argument.tree, tree.Unary) and argument.tree.operator == "-"


def sort_key(key: tree.Node) -> tree.Node:
    """The expression of a sort key: what is behind its minus sign, which may stand before a string too."""
    return key.operand if isinstance(key, tree.Unary) and key.operator == "-" else key


def _sorted(items: list[Node], keys: list[Items], evaluation: Evaluation, *, descending: bool) -> list[Node]:
    evaluation.spend(len(items) * max(len(items).bit_length(), 1))
    marked = [(single(found, "a sort key"), item) for found, item in zip(keys, items, strict=True)]
    evaluation.spend_on(*(key.value for key, _ in marked if key is not None))

    def compare(left: tuple[Node | None, Node], right: tuple[Node | None, Node]) -> int:
        if left[0] is None or right[0] is None:
            return (left[0] is None) - (right[0] is None)
        return order(left[0], right[0]) or 0

    return [item for _, item in sorted(marked, key=cmp_to_key(compare), reverse=descending)]


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "aggregate": Function(1, 2, _aggregate),
        "repeat": Function(1, 1, _repeat),
        "select": Function(1, 1, _select),
        "sort": Function(0, 10, _sort),
        "where": Function(1, 1, _where),
    }
)
