"""Slicing: which values are in which slice, how many, in which order, and what the slice demands of them.

Spec: FHIR R4, hl7.org/fhir/R4/profiling.html#slicing
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.problems import Problem
from healix_fhir.model.profile.discriminator import Test
from healix_fhir.model.profile.inspection import Check, Inspection, problem

DEFAULT = "@default"
"""The name of the slice of the values that are in no other one."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice, compiled; `inner` are its re-slices."""

    name: str
    test: Test
    min: int
    max: int | None
    check: Check | None
    inner: Slicing | None = None


@dataclass(frozen=True, slots=True)
class Slicing:
    """The slices of one element, in their order; `default` is for what is in none of them."""

    element: str
    rules: str
    ordered: bool
    slices: Sequence[Slice]
    default: Slice | None = None

    def problems(self, parent: Node, nodes: Sequence[Node], inspection: Inspection) -> list[Problem]:
        """What is wrong with the values of the element in `parent`."""
        found: list[Problem] = []
        members: list[list[Node]] = [[] for _ in self.slices]
        rest: list[Node] = []
        places = [self._place(node, inspection, found) for node in nodes]
        for node, place in zip(nodes, places, strict=True):
            (rest if place is None else members[place]).append(node)
        found += self._order(nodes, places)
        for slice_, inside in zip(self.slices, members, strict=True):
            found += self._inside(slice_, parent, inside, inspection)
        if self.default is not None:
            found += self._inside(self.default, parent, rest, inspection)
        elif self.rules == "closed":
            for node in rest:
                found += problem(node, "structure", f"is in none of the slices of '{self.element}', and they are all")
        return found

    def place(self, node: Node, inspection: Inspection) -> str | None:
        """The name of the slice that a value is in."""
        number = self._place(node, inspection, [])
        return None if number is None else self.slices[number].name

    def _place(self, node: Node, inspection: Inspection, found: list[Problem]) -> int | None:
        inspection.check_time()
        for number, slice_ in enumerate(self.slices):
            answer = slice_.test(node, inspection)
            if answer:
                return number
            if answer is None:
                message = f"whether this is the slice '{slice_.name}' of '{self.element}' cannot be told"
                found += problem(node, "not-supported", message, "information")
        return None

    def _order(self, nodes: Sequence[Node], places: Sequence[int | None]) -> list[Problem]:
        found: list[Problem] = []
        latest, after = -1, False
        for node, place in zip(nodes, places, strict=True):
            if place is None:
                after = True
                continue
            name = self.slices[place].name
            if self.ordered and place < latest:
                found += problem(
                    node, "structure", f"the slice '{name}' stands behind a later slice of '{self.element}'"
                )
            if self.rules == "openAtEnd" and after:
                found += problem(node, "structure", f"the slice '{name}' stands behind what is in no slice")
            latest = max(latest, place)
        return found

    def _inside(self, slice_: Slice, parent: Node, nodes: Sequence[Node], inspection: Inspection) -> list[Problem]:
        found: list[Problem] = []
        if len(nodes) < slice_.min:
            place = f"{parent.location}.{self.element}"
            message = f"'{self.element}' needs {slice_.min} of the slice '{slice_.name}', it has {len(nodes)}"
            found.append(Problem(place, "required", message))
        elif slice_.max is not None and len(nodes) > slice_.max:
            message = f"the slice '{slice_.name}' may be there {slice_.max} times, here are {len(nodes)}"
            found += problem(nodes[slice_.max], "structure", message)
        for node in nodes if slice_.check is not None else ():
            found += slice_.check(node, inspection)  # type: ignore[misc]
        if slice_.inner is not None:
            found += slice_.inner.problems(parent, nodes, inspection)
        return found
