"""Places in a resource that can be changed: a JSON property, with the one beside it for a primitive's extensions.

What is changed is the resource itself, which the patch has copied. An array of primitives and the array beside it are
changed together; what becomes empty is removed, since FHIR has no empty objects and arrays.

Spec: FHIR R4, hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

from typing import Any, NamedTuple

from healix_fhir.model.fhirpath.evaluate.node import Node, Property, properties


class Content(NamedTuple):
    """What one element holds: its value, and the id and extensions of a primitive."""

    value: Any
    beside: Any = None


class Place(NamedTuple):
    """One element, repeating or not, of an object: `property` names the JSON properties."""

    holder: dict[str, Any]
    property: Property

    def read(self) -> list[Content]:
        """What is there, in order."""
        values = _listed(self.holder.get(self.property.key))
        others = _listed(self.holder.get(self.property.beside)) if self.property.beside else []
        length = max(len(values), len(others))
        values += [None] * (length - len(values))
        others += [None] * (length - len(others))
        return [Content(value, other) for value, other in zip(values, others, strict=True)]

    def write(self, contents: list[Content]) -> None:
        """Put `contents` there instead."""
        self._put(self.property.key, [content.value for content in contents])
        if self.property.beside:
            self._put(self.property.beside, [content.beside for content in contents])

    def _put(self, key: str, values: list[Any]) -> None:
        if all(value is None for value in values):
            self.holder.pop(key, None)
        else:
            self.holder[key] = values if self.property.repeats or len(values) > 1 else values[0]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def place_of(node: Node) -> Place:
    """Where `node` stands; it must have a parent, whose value is an object."""
    parent = node.parent
    assert parent is not None
    holder = parent.value
    found = properties(parent.structure, node.name)
    fitting = [place for place in found if place.type == node.type]
    present = [place for place in found if place.key in holder or place.beside in holder]
    return Place(holder, (fitting or present)[0])


def prune(node: Node | None) -> None:
    """Remove `node` from its parent, and that from its own, as long as they are empty objects."""
    while node is not None and node.parent is not None and node.value == {}:
        place = place_of(node)
        contents = place.read()
        position = node.index or 0
        value, beside = contents[position]
        left = Content(None if value is node.value else value, None if beside is node.value else beside)
        contents[position : position + 1] = [] if left == Content(None) else [left]
        place.write(contents)
        node = node.parent
