"""Existence: questions about a collection as a whole.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#existence
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MappingProxyType

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.fhirpath.evaluate.equality import key
from healix_fhir.model.fhirpath.evaluate.filtering import matching
from healix_fhir.model.fhirpath.evaluate.function import Arguments, Function, on_both, on_items
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, NO, YES, Items, Node, boolean
from healix_fhir.model.fhirpath.evaluate.scope import Evaluation, Run, Scope, truth
from healix_fhir.model.fhirpath.evaluate.system import node_of


def _exists(base: Run, arguments: Arguments) -> Run:
    if not arguments:
        return lambda scope: YES if base(scope) else NO
    (criterion,) = arguments

    def run(scope: Scope) -> Items:
        return YES if any(True for _ in matching(base(scope), criterion, scope)) else NO

    return run


def _all(base: Run, arguments: Arguments) -> Run:
    (criterion,) = arguments

    def run(scope: Scope) -> Items:
        items = base(scope)
        scope.evaluation.spend(len(items) * criterion.cost)
        inner = Scope(scope.evaluation, EMPTY, None, scope.total)
        for index, item in enumerate(items):
            inner.this, inner.index = (item,), index
            if not truth(criterion.run(inner)):
                return NO
        return YES

    return run


def _empty(base: Run, _arguments: Arguments) -> Run:
    return lambda scope: NO if base(scope) else YES


def _not(items: Items, _scope: Scope) -> Items:
    answer = truth(items)
    return EMPTY if answer is None else boolean(not answer)


def _each(holds: Callable[[Iterable[bool]], bool]) -> Function:
    def run(items: Items, _scope: Scope) -> Items:
        return boolean(holds(_booleans(items)))

    return on_items(run)


def _booleans(items: Items) -> list[bool]:
    return [_boolean(item) for item in items]


def _boolean(item: Node) -> bool:
    if item.value is True or item.value is False:
        return item.value
    raise invalid(f"FHIRPath: a collection of booleans has an item of {item.type}")


def _count(items: Items, _scope: Scope) -> Items:
    return (node_of(len(items)),)


def distinct(items: Items, evaluation: Evaluation) -> list[Node]:
    """The items without those that equal an earlier one."""
    evaluation.spend(len(items))
    seen: dict[Hashable, Node] = {}
    for item in items:
        seen.setdefault(key(item, evaluation), item)
    return list(seen.values())


def _distinct(items: Items, scope: Scope) -> Items:
    return distinct(items, scope.evaluation) if len(items) > 1 else items


def _is_distinct(items: Items, scope: Scope) -> Items:
    return boolean(len(items) < 2 or len(distinct(items, scope.evaluation)) == len(items))


def _subset(items: Items, others: Items, scope: Scope) -> Items:
    evaluation = scope.evaluation
    evaluation.spend(len(items) + len(others))
    return boolean({key(item, evaluation) for item in items} <= {key(other, evaluation) for other in others})


def _superset(items: Items, others: Items, scope: Scope) -> Items:
    return _subset(others, items, scope)


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "all": Function(1, 1, _all),
        "allFalse": _each(lambda answers: not any(answers)),
        "allTrue": _each(all),
        "anyFalse": _each(lambda answers: not all(answers)),
        "anyTrue": _each(any),
        "count": on_items(_count),
        "distinct": on_items(_distinct),
        "empty": Function(0, 0, _empty),
        "exists": Function(0, 1, _exists),
        "isDistinct": on_items(_is_distinct),
        "not": on_items(_not),
        "subsetOf": on_both(_subset),
        "supersetOf": on_both(_superset),
    }
)
