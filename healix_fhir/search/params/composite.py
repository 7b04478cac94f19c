"""Composite parameters: the rows that hold the parts of each element together (see search/composites).

Spec: FHIR R4, hl7.org/fhir/R4/search.html#composite
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, product
from typing import Any, TypeAlias

from healix_fhir.model.definitions import Component, SearchParameter
from healix_fhir.model.fhirpath.branch import Branch, link
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.search import tokens
from healix_fhir.search.amounts import parameter_key
from healix_fhir.search.composites import Shape, expression, shape
from healix_fhir.search.params import quantity, reference, remembered, token
from healix_fhir.search.params.collector import Collector, Emit
from healix_fhir.search.presence import bit

MOST = 4096
"""Combinations that are kept of one element: far more than any has that is not made to exhaust us."""

Scratch: TypeAlias = Callable[[dict[str, Any], tuple[str, ...]], Collector]
"""The rows of one component in one element."""


def emitter(type_name: str, parameter: SearchParameter, element: Branch) -> Emit | None:
    """What adds the rows of the elements that the composite's expression leads to; None where nothing is stored."""
    kind = shape(type_name, parameter)
    make = {Shape.HASHES: _hashes, Shape.AMOUNTS: _amounts, Shape.PAIRS: _pairs}.get(kind) if kind else None
    return None if make is None else _marking(make(parameter, element), bit(parameter))


def _marking(emit: Emit, mark: int) -> Emit:
    """An element is a value of the composite only if it has all parts."""

    def marking(items: list[Any], rows: Collector) -> None:
        before = len(rows.toks) + len(rows.amounts)
        emit(items, rows)
        if len(rows.toks) + len(rows.amounts) > before:
            rows.present |= mark

    return marking


def _hashes(parameter: SearchParameter, element: Branch) -> Emit:
    components = [_component(parameter, component, element) for component in parameter.components]

    def emit(items: list[Any], rows: Collector) -> None:
        for item in items:
            keys = [_keys(component(item, rows.bases)) for component in components]
            rows.toks += [tokens.together(parameter.id, found) for found in islice(product(*keys), MOST)]

    return emit


def _keys(found: Collector) -> list[int]:
    """The keys of a token or reference."""
    return [*found.toks, *(tokens.pointing(*row) for row in found.references)]


def _amounts(parameter: SearchParameter, element: Branch) -> Emit:
    code, value = (_component(parameter, component, element) for component in parameter.components)

    def emit(items: list[Any], rows: Collector) -> None:
        for item in items:
            amounts = value(item, rows.bases).amounts
            if amounts:
                rows.amounts += [
                    (h, system, *amount[2:]) for h, system in code(item, rows.bases).hot for amount in amounts
                ]

    return emit


def _pairs(parameter: SearchParameter, element: Branch) -> Emit:
    first, second = (_component(parameter, component, element) for component in parameter.components[1:])
    key = parameter_key(parameter.id)

    def emit(items: list[Any], rows: Collector) -> None:
        for item in items:
            ends = product(first(item, rows.bases).amounts, second(item, rows.bases).amounts)
            rows.amounts += [(key, None, one[2], other[2], None, None, None, None, None) for one, other in ends]

    return emit


def takes(component: Component, branch: Branch) -> bool:
    """Whether the values of a branch can be those of a component."""
    return _emitter(0, component.type, branch) is not None


def _component(parameter: SearchParameter, component: Component, element: Branch) -> Scratch:
    """What finds the rows of a component, under the number of the composite."""
    branches = compile_branches(expression(parameter, component), element.structure)
    found = [
        (link(branch.steps), emit)
        for branch in branches
        if (emit := _emitter(parameter.id, component.type, branch)) is not None
    ]
    if len(found) == 1 and all(branch.type in remembered.TYPES for branch in branches):
        ((take, emit),) = found
        known = remembered.remembered(emit)
        return lambda item, bases: known(take([item]))

    def scratch(item: dict[str, Any], bases: tuple[str, ...]) -> Collector:
        rows = Collector(bases)
        for stage, emit in found:
            emit(stage([item]), rows)
        return rows

    return scratch


def _emitter(param_id: int, type_: str, branch: Branch) -> Emit | None:
    match type_:
        case "token":
            return token.emitter(param_id, branch.type, branch.binding, hot=True)
        case "reference":
            return reference.emitter(param_id, branch.type)
        case _:
            return quantity.emitter(parameter_key(param_id), branch.type)
