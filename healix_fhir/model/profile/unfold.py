"""The elements of a definition beyond its own tree: those of the profiles on its types and of what it refers to.

Spec: FHIR R4, hl7.org/fhir/R4/profiling.html#discriminator
"""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.profile.definition import Definition, split
from healix_fhir.model.profile.element_tree import ElementNode, Json
from healix_fhir.model.profile.fixed import wanted
from healix_fhir.model.profile.inspection import CORE
from healix_fhir.model.profile.library import Library


def type_codes(definition: Json) -> list[str]:
    """The type codes of an ElementDefinition."""
    return [str(entry.get("code")) for entry in definition.get("type", ())]


def profiles(definition: Json, kind: str) -> list[str]:
    """All `profile` or `targetProfile` of an ElementDefinition."""
    return [str(profile) for entry in definition.get("type", ()) for profile in entry.get(kind, ())]


class Unfold:
    """Looks into other definitions for one definition."""

    def __init__(self, library: Library, near: Definition) -> None:
        self._library = library
        self._near = near

    def child(self, node: ElementNode, name: str) -> ElementNode | None:
        """A child of an element, from the profile on its type where its own tree ends, or from the type itself."""
        if node.children:
            return node.child(name)
        for canonical in _templates(node.definition):
            tree = self._tree(canonical)
            found = tree.child(name) if tree is not None else None
            if found is not None:
                return found
        return None

    def targets(self, node: ElementNode) -> list[ElementNode]:
        """The roots of the profiles that the target of a reference may have."""
        trees = [self._tree(canonical) for canonical in profiles(node.definition, "targetProfile")]
        return [tree for tree in trees if tree is not None]

    def is_extension(self, node: ElementNode, url: str) -> bool:
        """Whether an element or slice is the extension `url`."""
        if any(split(canonical)[0] == url for canonical in profiles(node.definition, "profile")):
            return True
        own = node.child("url")
        return own is not None and wanted(own.definition, "fixed") == url

    def _tree(self, canonical: str) -> ElementNode | None:
        try:
            return self._library.tree(self._library.structure(canonical, self._near))
        except HealixError:
            return None  # a definition that is not known adds nothing to tell slices apart by


def _templates(definition: Json) -> Iterable[str]:
    for entry in definition.get("type", ()):
        yield from entry.get("profile", ())
        yield CORE + str(entry.get("code")).rpartition("/")[2]
