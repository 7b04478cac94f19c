"""The resources within a resource and the extensions everywhere in it.

Spec: FHIR R4, hl7.org/fhir/R4/extensibility.html, hl7.org/fhir/R4/references.html#contained
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import PRIMITIVES
from healix_fhir.model.fhirpath.evaluate.node import Node, Property, every_property, root, take

Json = dict[str, Any]
BASE = "/_history/"


@dataclass(slots=True)
class Survey:
    """What was found: the resources, the outermost first, and the extensions with the elements that carry them."""

    resources: list[Node] = field(default_factory=list)
    extensions: list[tuple[Node, Node]] = field(default_factory=list)

    def urls(self) -> set[str]:
        """The absolute urls of the extensions."""
        return {url for _, node in self.extensions if isinstance(url := node.value.get("url"), str) and ":" in url}

    def profiles(self) -> set[str]:
        """The profiles that the resources claim."""
        return {canonical for node in self.resources for canonical, _ in declared(node)}


def survey(resource: Json) -> Survey:
    """Look through a resource; what breaks the structure of R4 is passed over."""
    found = Survey()
    _walk(root(resource), found)
    return found


def _walk(node: Node, found: Survey) -> None:
    value = node.value
    if node.type in TYPE_ID:
        found.resources.append(node)
    table = every_property(node.structure)
    for key in value:
        place = table.get(key)
        if place is None or (place.type in PRIMITIVES and place.beside != key):
            continue
        if place.beside:
            _beside(node, place, found)
            continue
        for child in take(node, place):
            if type(child.value) is dict:
                if place.type == "Extension":
                    found.extensions.append((node, child))
                _walk(child, found)


def _beside(node: Node, place: Property, found: Survey) -> None:
    """The extensions of primitives; the primitive itself carries them."""
    for primitive in take(node, place):
        if primitive.beside is not None:
            held = Node(primitive.beside, "Element", "Element", None, node, primitive.name, primitive.index)
            for extension in take(held, _extension_property()):
                if type(extension.value) is dict:
                    found.extensions.append((primitive, extension))
                    _walk(extension, found)


@cache
def _extension_property() -> Property:
    return every_property("Element")["extension"]


def declared(node: Node) -> Iterator[tuple[str, str]]:
    """The profiles in a resource's `meta.profile` with their places."""
    meta = node.value.get("meta")
    profiles = meta.get("profile") if type(meta) is dict else None
    for number, canonical in enumerate(profiles if type(profiles) is list else ()):
        if isinstance(canonical, str):
            yield canonical, f"{node.location}.meta.profile[{number}]"


def entries(resources: list[Node]) -> Mapping[str, Node]:
    """The resources of a Bundle's entries by what references call them: the fullUrl, and Type/id."""
    found: dict[str, Node] = {}
    for node in resources:
        entry = node.parent
        if entry is None or entry.structure != "Bundle.entry" or node.name != "resource":
            continue
        url, id_ = entry.value.get("fullUrl"), node.value.get("id")
        if isinstance(url, str):
            found.setdefault(url, node)
        if isinstance(id_, str):
            found.setdefault(f"{node.type}/{id_}", node)
    return found
