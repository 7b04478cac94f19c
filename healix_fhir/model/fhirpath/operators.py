"""The operators of FHIRPath on items: equality, and logic of three values.

An operator makes, from the functions of its two sides, the function of its result: a list of one boolean, or an empty
one where FHIRPath's answer is empty.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#operations
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from healix_fhir.model.fhirpath.branch import Items, Stage


def truth(items: Items) -> bool | None:
    """The boolean of a collection: its one item, true for one item that is no boolean, None when empty.

    Spec: FHIRPath N1, hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
    """
    if not items:
        return None
    return items[0] is not False


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal; true is not the number 1."""
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


def _equals(left: Stage, right: Stage) -> Stage:
    def run(items: Items) -> Items:
        ours, theirs = left(items), right(items)
        if not ours or not theirs:
            return []
        return [len(ours) == len(theirs) and all(map(equal, ours, theirs))]

    return run


def _differs(left: Stage, right: Stage) -> Stage:
    equals = _equals(left, right)
    return lambda items: [not answer for answer in equals(items)]


def _and(left: Stage, right: Stage) -> Stage:
    def run(items: Items) -> Items:
        first = truth(left(items))
        if first is False:
            return [False]
        second = truth(right(items))
        if second is False:
            return [False]
        return [True] if first and second else []

    return run


def _or(left: Stage, right: Stage) -> Stage:
    def run(items: Items) -> Items:
        first = truth(left(items))
        if first:
            return [True]
        second = truth(right(items))
        if second:
            return [True]
        return [False] if first is False and second is False else []

    return run


BINARY: Mapping[str, Callable[[Stage, Stage], Stage]] = {"=": _equals, "!=": _differs, "and": _and, "or": _or}
"""The operators that are supported, beside `|`, `is` and `as`."""
