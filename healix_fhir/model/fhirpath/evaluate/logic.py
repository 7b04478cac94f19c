"""The Boolean operators, in logic of three values: the right side is evaluated only where it matters.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#boolean-logic
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from healix_fhir.model.fhirpath.evaluate.node import EMPTY, NO, YES, Items, boolean
from healix_fhir.model.fhirpath.evaluate.scope import Run, Scope, truth


def _and(left: Run, right: Run) -> Run:
    def run(scope: Scope) -> Items:
        ours = truth(left(scope))
        if ours is False:
            return NO
        theirs = truth(right(scope))
        if theirs is False:
            return NO
        return YES if ours and theirs else EMPTY

    return run


def _or(left: Run, right: Run) -> Run:
    def run(scope: Scope) -> Items:
        ours = truth(left(scope))
        if ours:
            return YES
        theirs = truth(right(scope))
        if theirs:
            return YES
        return NO if ours is False and theirs is False else EMPTY

    return run


def _xor(left: Run, right: Run) -> Run:
    def run(scope: Scope) -> Items:
        ours, theirs = truth(left(scope)), truth(right(scope))
        return EMPTY if ours is None or theirs is None else boolean(ours is not theirs)

    return run


def _implies(left: Run, right: Run) -> Run:
    def run(scope: Scope) -> Items:
        ours = truth(left(scope))
        if ours is False:
            return YES
        theirs = truth(right(scope))
        if theirs:
            return YES
        return boolean(theirs) if ours else EMPTY

    return run


OPERATORS: Mapping[str, Callable[[Run, Run], Run]] = MappingProxyType(
    {"and": _and, "or": _or, "xor": _xor, "implies": _implies}
)
