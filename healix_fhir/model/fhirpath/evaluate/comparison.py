"""Equality, equivalence, order and membership as operators.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#equality, #comparison, #collections-2
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.fhirpath.evaluate import moment, quantity
from healix_fhir.model.fhirpath.evaluate.equality import equal, equal_items, equivalent_items
from healix_fhir.model.fhirpath.evaluate.moment import Moment
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items, Node, boolean
from healix_fhir.model.fhirpath.evaluate.quantity import Quantity
from healix_fhir.model.fhirpath.evaluate.scope import Evaluation, Run, Scope, single
from healix_fhir.model.fhirpath.evaluate.system import values_of
from healix_fhir.model.fhirpath.types import is_kind_of


def order(left: Node, right: Node) -> int | None:
    """-1, 0 or 1; None where it is open. Raises Invalid for values that have no order.

    Strings are in the order of their code points, as in Unicode. A Quantity that FHIRPath cannot read is in no order.
    """
    ours, theirs = values_of(left, right)
    if ours is None or theirs is None:
        if _orderable(left) and _orderable(right):
            return None
    elif type(ours) is str and type(theirs) is str:
        return (ours > theirs) - (ours < theirs)
    elif isinstance(ours, Moment) and isinstance(theirs, Moment) and moment.comparable(ours, theirs):
        return moment.compare(ours, theirs)
    elif isinstance(ours, Quantity) and isinstance(theirs, Quantity):
        values = quantity.align(ours, theirs)
        return None if values is None else (values[0] > values[1]) - (values[0] < values[1])
    elif _is_number(ours) and _is_number(theirs):
        return (ours > theirs) - (ours < theirs)  # type: ignore[operator]
    raise invalid(f"FHIRPath: {left.type} and {right.type} are not compared")


def _is_number(value: object) -> bool:
    return type(value) is int or isinstance(value, Decimal)


def _orderable(node: Node) -> bool:
    """Whether a node is of a type that has an order, though it may have no value."""
    return type(node.value) is not dict or is_kind_of(node.type, "Quantity")


def member(item: Node, items: Items, evaluation: Evaluation) -> bool:
    """Whether `items` have one that equals `item`."""
    evaluation.spend(len(items))
    return any(equal(item, other, evaluation) for other in items)


def _ordered(holds: Callable[[int], bool], name: str) -> Callable[[Run, Run], Run]:
    def build(left: Run, right: Run) -> Run:
        def run(scope: Scope) -> Items:
            ours, theirs = single(left(scope), f"the left side of {name}"), single(right(scope), f"the right of {name}")
            if ours is None or theirs is None:
                return EMPTY
            scope.evaluation.spend_on(ours.value, theirs.value)
            found = order(ours, theirs)
            return EMPTY if found is None else boolean(holds(found))

        return run

    return build


def _equals(left: Run, right: Run) -> Run:
    return lambda scope: boolean(equal_items(left(scope), right(scope), scope.evaluation))


def _differs(left: Run, right: Run) -> Run:
    def run(scope: Scope) -> Items:
        answer = equal_items(left(scope), right(scope), scope.evaluation)
        return EMPTY if answer is None else boolean(not answer)

    return run


def _equivalent(left: Run, right: Run) -> Run:
    return lambda scope: boolean(equivalent_items(left(scope), right(scope), scope.evaluation))


def _inequivalent(left: Run, right: Run) -> Run:
    return lambda scope: boolean(not equivalent_items(left(scope), right(scope), scope.evaluation))


def _in(left: Run, right: Run) -> Run:
    def run(scope: Scope) -> Items:
        item = single(left(scope), "what is looked for")
        return EMPTY if item is None else boolean(member(item, right(scope), scope.evaluation))

    return run


OPERATORS: Mapping[str, Callable[[Run, Run], Run]] = MappingProxyType(
    {
        "=": _equals,
        "!=": _differs,
        "~": _equivalent,
        "!~": _inequivalent,
        "<": _ordered(lambda found: found < 0, "<"),
        "<=": _ordered(lambda found: found <= 0, "<="),
        ">": _ordered(lambda found: found > 0, ">"),
        ">=": _ordered(lambda found: found >= 0, ">="),
        "in": _in,
        "contains": lambda left, right: _in(right, left),
    }
)
