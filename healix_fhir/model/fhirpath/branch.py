"""Branches: a FHIRPath expression as the straight paths that it takes through a resource.

The compiler knows the type of every step, so that a choice element is one branch for each of its types, a union the
branches of both sides, and `as` and `ofType` drop branches before anything runs. A path is a sequence of steps: a
string is the JSON property to take, a function maps the items so far to the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

Items: TypeAlias = list[Any]
Stage: TypeAlias = Callable[[Items], Items]
Step: TypeAlias = str | Stage

RESOLVED = "resolved reference"
"""The type of what `resolve()` returns: a resource of which only the type is known."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One path, starting at the item in focus, and what is at its end.

    `structure` is the element table of the end, `type` its FHIR type, `binding` the value set of a required binding.
    """

    type: str
    structure: str
    steps: tuple[Step, ...] = ()
    binding: str = ""

    def then(self, step: Step) -> Branch:
        """The same path, one step longer, to an end of the same type."""
        return replace(self, steps=(*self.steps, step))


def computed(type_name: str, stage: Stage) -> tuple[Branch, ...]:
    """The one branch of a value that is calculated from the item in focus."""
    return (Branch(type_name, type_name, (stage,)),)


def link(steps: Sequence[Step]) -> Stage:
    """One function that takes all `steps`."""
    stages = [take(step) if isinstance(step, str) else step for step in steps]
    if len(stages) == 1:
        return stages[0]

    def run(items: Items) -> Items:
        for stage in stages:
            items = stage(items)
        return items

    return run


def take(key: str) -> Stage:
    """The values of JSON property `key`, arrays flattened."""

    def run(items: Items) -> Items:
        found: Items = []
        for item in items:
            value = item.get(key)
            if value is None:
                continue
            if type(value) is list:
                found += value
            else:
                found.append(value)
        return found

    return run


def present(items: Items) -> Items:
    """Without the nulls that stand in an array of primitives for those that have only extensions."""
    return [item for item in items if item is not None]


def gather(branches: Sequence[Branch]) -> Stage:
    """One function that returns the items of all `branches`, in their order."""
    stages = [link(branch.steps) for branch in branches]
    if len(stages) == 1:
        return stages[0]
    return lambda items: [found for stage in stages for found in stage(items)]
