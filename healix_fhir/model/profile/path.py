"""The paths of discriminators: the part of FHIRPath that they may use, followed in data and in definitions.

Spec: FHIR R4, hl7.org/fhir/R4/profiling.html#discriminator
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from healix_fhir.kernel.errors import invalid
from healix_fhir.model.fhirpath.evaluate.node import Node
from healix_fhir.model.profile.below import below
from healix_fhir.model.profile.element_tree import ElementNode
from healix_fhir.model.profile.inspection import Inspection
from healix_fhir.model.profile.unfold import Unfold, type_codes

STEP = re.compile(
    r"\$this|(?P<function>resolve|extension|ofType|as)\((?P<argument>[^)]*)\)|(?P<name>[A-Za-z][A-Za-z0-9]*)(?:\[x\])?"
)


class Step(NamedTuple):
    """One step: a child element, or a function with its argument."""

    name: str
    function: str = ""
    argument: str = ""


@lru_cache(4096)
def steps(path: str) -> tuple[Step, ...]:
    """The steps of a discriminator's path; `$this` is none. Raises Invalid for what a discriminator may not use."""
    found, position = [], 0
    while position < len(path):
        match = STEP.match(path, position)
        if match is None or (match.end() < len(path) and path[match.end()] != "."):
            raise invalid(f"'{path[:100]}' is no path that a discriminator may have")
        if match["function"]:
            found.append(Step("", match["function"], match["argument"].strip("'\" ")))
        elif match["name"]:
            found.append(Step(match["name"]))
        position = match.end() + 1
    return tuple(found)


def values(node: Node, path: Sequence[Step], inspection: Inspection) -> Sequence[Node]:
    """The nodes at the end of `path`. What a reference leads to elsewhere is not there."""
    nodes: Sequence[Node] = (node,)
    for step in path:
        nodes = [found for one in nodes for found in _follow(one, step, inspection)]
    return nodes


def _follow(node: Node, step: Step, inspection: Inspection) -> Iterable[Node]:
    if step.function == "resolve":
        target = inspection.resolve(node)
        return () if target is None else (target,)
    if step.function in ("ofType", "as"):
        return (node,) if node.type == step.argument else ()
    if step.function == "extension":
        return [found for found in below(node, "extension") if found.value.get("url") == step.argument]
    return below(node, step.name)


def definitions(element: ElementNode, path: Sequence[Step], unfold: Unfold) -> list[ElementNode]:
    """The elements at the end of `path`, from an element of a definition, slices among them."""
    elements = [element]
    for step in path:
        elements = [found for one in elements for found in _define(one, step, unfold)]
    return elements


def _define(element: ElementNode, step: Step, unfold: Unfold) -> Iterable[ElementNode]:
    if step.function == "resolve":
        return unfold.targets(element)
    if step.function in ("ofType", "as"):
        named = [slice_ for slice_ in element.slices if step.argument in type_codes(slice_.definition)]
        return named or ([element] if step.argument in type_codes(element.definition) else [])
    if step.function == "extension":
        child = unfold.child(element, "extension")
        return [s for s in child.slices if unfold.is_extension(s, step.argument)] if child is not None else ()
    child = unfold.child(element, step.name) or unfold.child(element, f"{step.name}[x]")
    return () if child is None else [child, *child.every_slice()]
