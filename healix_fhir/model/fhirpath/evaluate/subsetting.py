"""Subsetting and combining: parts of a collection, and one collection made of two.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#subsetting, #combining
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from healix_fhir.model.fhirpath.evaluate.equality import key
from healix_fhir.model.fhirpath.evaluate.existence import distinct
from healix_fhir.model.fhirpath.evaluate.function import Arguments, Function, on_both, on_items
from healix_fhir.model.fhirpath.evaluate.node import EMPTY, Items
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope, several
from healix_fhir.model.fhirpath.evaluate.system import integer


def index(base: Run, position: Run) -> Run:
    """`base[position]`: empty beyond the end."""

    def run(scope: Scope) -> Items:
        items, place = base(scope), integer(position(scope), "an index")
        return items[place : place + 1] if place is not None and place >= 0 else EMPTY

    return run


def union(left: Run, right: Run) -> Run:
    """`left | right`: without duplicates."""
    return lambda scope: _union(left(scope), right(scope), scope)


def _union(items: Items, others: Items, scope: Scope) -> Items:
    if not others and len(items) < 2:
        return items
    return distinct([*items, *others], scope.evaluation)


def _combine(items: Items, others: Items, scope: Scope) -> Items:
    scope.evaluation.spend(len(items) + len(others))
    return [*items, *others]


def _intersect(items: Items, others: Items, scope: Scope) -> Items:
    if not items or not others:
        return EMPTY
    evaluation = scope.evaluation
    evaluation.spend(len(others))
    wanted = {key(other, evaluation) for other in others}
    return [item for item in distinct(items, evaluation) if key(item, evaluation) in wanted]


def _exclude(items: Items, others: Items, scope: Scope) -> Items:
    evaluation = scope.evaluation
    evaluation.spend(len(items) + len(others))
    unwanted = {key(other, evaluation) for other in others}
    return [item for item in items if key(item, evaluation) not in unwanted] if unwanted else items


def _single(items: Items, _scope: Scope) -> Items:
    if len(items) > 1:
        raise several("the input of single()", items)
    return items


def _skip(base: Run, arguments: Arguments) -> Run:
    (number,) = arguments

    def run(scope: Scope) -> Items:
        items, count = base(scope), integer(number.run(scope), "what skip() takes")
        return EMPTY if count is None else items[max(count, 0) :]

    return run


def _take(base: Run, arguments: Arguments) -> Run:
    (number,) = arguments

    def run(scope: Scope) -> Items:
        items, count = base(scope), integer(number.run(scope), "what take() takes")
        return EMPTY if count is None else items[: max(count, 0)]

    return run


FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "combine": on_both(_combine),
        "exclude": on_both(_exclude),
        "first": on_items(lambda items, _scope: items[:1]),
        "intersect": on_both(_intersect),
        "last": on_items(lambda items, _scope: items[-1:]),
        "single": on_items(_single),
        "skip": Function(1, 1, _skip),
        "tail": on_items(lambda items, _scope: items[1:]),
        "take": Function(1, 1, _take),
        "union": on_both(_union),
    }
)
