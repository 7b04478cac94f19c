"""The elements of a StructureDefinition as a tree, from their flat list and back.

A node is an element or one of its slices. Its name is the last segment of the path (`value[x]`); slices hang below the
element they slice, re-slices (`a/b`) below the slice they refine. Definitions are never changed in place, so that trees
may share them.

Spec: FHIR R4, hl7.org/fhir/R4/elementdefinition.html#id
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from healix_fhir.kernel.errors import invalid, too_large

Json = dict[str, Any]

DEPTH = 32
"""Steps that an element's path may have."""
ELEMENTS = 20_000
"""Elements that a definition may have."""


@dataclass(slots=True)
class ElementNode:
    """One element: its definition without id and path, its children, and its slices in their order."""

    name: str
    definition: Json
    slice: str = ""
    children: list[ElementNode] = field(default_factory=list)
    slices: list[ElementNode] = field(default_factory=list)

    def child(self, name: str) -> ElementNode | None:
        """The child element `name`."""
        return next((child for child in self.children if child.name == name), None)

    def find_slice(self, name: str) -> ElementNode | None:
        """The slice `name`, a re-slice included."""
        for found in self.slices:
            if found.slice == name:
                return found
            if name.startswith(f"{found.slice}/"):
                return found.find_slice(name)
        return None

    def size(self) -> int:
        """How many elements the tree has."""
        return 1 + sum(part.size() for part in (*self.children, *self.slices))

    def every_slice(self) -> Iterator[ElementNode]:
        """The slices with their re-slices."""
        for found in self.slices:
            yield found
            yield from found.every_slice()

    def copy(self) -> ElementNode:
        """A tree of its own over the same definitions."""
        return ElementNode(
            self.name,
            self.definition,
            self.slice,
            [child.copy() for child in self.children],
            [slice_.copy() for slice_ in self.slices],
        )


def segments(element: Json) -> list[tuple[str, str]]:
    """Name and slice of each step to an element, by its id. Raises Invalid where it has none that fits its path."""
    path, id_ = str(element.get("path", "")), element.get("id")
    steps = [step.partition(":") for step in str(id_ or path).split(".")]
    names = path.split(".")
    if not path or len(steps) != len(names) or len(steps) > DEPTH:
        raise invalid(f"the element id '{str(id_)[:100]}' does not fit the path '{path[:100]}'")
    return [(name, slice_) for name, (_, _, slice_) in zip(names, steps, strict=True)]


def from_snapshot(elements: Sequence[Json]) -> ElementNode:
    """The tree of a snapshot. Raises Invalid when an element has no parent before it, TooLarge for too many."""
    if len(elements) > ELEMENTS:
        raise too_large(f"a definition may have {ELEMENTS} elements")
    root = ElementNode(str(elements[0].get("path")), _bare(elements[0]))
    for element in elements[1:]:
        node = root
        steps = segments(element)
        for name, slice_ in steps[1:-1]:
            node = _descend(node, name, slice_, element)
        name, slice_ = steps[-1]
        if slice_:
            _insert_slice(_descend(node, name, "", element), ElementNode(name, _bare(element), slice_))
        else:
            node.children.append(ElementNode(name, _bare(element)))
    return root


def _descend(node: ElementNode, name: str, slice_: str, element: Json) -> ElementNode:
    found = node.child(name)
    if found is not None and slice_:
        found = found.find_slice(slice_)
    if found is None:
        raise invalid(f"the snapshot's element '{str(element.get('id'))[:100]}' has no parent before it")
    return found


def _insert_slice(node: ElementNode, made: ElementNode) -> None:
    parent, _, _ = made.slice.rpartition("/")
    above = node.find_slice(parent) if parent else None
    (above or node).slices.append(made)


def flatten(root: ElementNode) -> list[Json]:
    """The elements in the order of a snapshot, with path and id."""
    return list(_flatten(root, root.name, root.name))


def _flatten(node: ElementNode, id_: str, path: str) -> Iterator[Json]:
    yield {"id": id_, "path": path, **node.definition}
    for child in node.children:
        yield from _flatten(child, f"{id_}.{child.name}", f"{path}.{child.name}")
    whole = id_.rpartition(":")[0] if node.slice else id_
    for slice_ in node.slices:
        yield from _flatten(slice_, f"{whole}:{slice_.slice}", path)


def _bare(element: Json) -> Json:
    return {key: value for key, value in element.items() if key not in ("id", "path")}
