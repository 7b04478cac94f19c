"""Which version of a code system is meant, where a caller has a say in it.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-operation-expand.html (system-version, check- and force-system-version)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from healix_fhir.kernel.errors import invalid
from healix_fhir.terminology.conditions import Group
from healix_fhir.terminology.sets import EMPTY, Codes, Named, Selected, Set, mapped

Versions = Mapping[str, str]
"""A version by the url of its code system."""


def by_system(name: str, canonicals: Iterable[str]) -> dict[str, str]:
    """The versions that canonicals name. Raises Invalid for one that names none, or names two of one system."""
    found: dict[str, str] = {}
    for canonical in canonicals:
        url, _, version = canonical.partition("|")
        if not version or found.get(url, version) != version:
            raise invalid(f"{name} takes one version for each code system, as system|version", code="value")
        found[url] = version
    return found


def versioned(found: Set, defaults: Versions, forced: Versions) -> Set:
    """The set with the version of `defaults` where it names none, and that of `forced` whatever it names."""

    def of_leaf(leaf: Codes | Selected | Named) -> Set:
        if isinstance(leaf, Named):
            return leaf
        version = forced.get(leaf.system) or leaf.version or defaults.get(leaf.system)
        if isinstance(leaf, Codes):
            return Codes(leaf.system, version, leaf.concepts)
        return Selected(leaf.system, version, leaf.filters)

    return mapped(found, of_leaf) if defaults or forced else found


def without_systems(found: Set, canonicals: Iterable[str]) -> Set:
    """The set without what it takes of these code systems, or of these versions of them."""
    left_out = frozenset(canonicals)

    def of_leaf(leaf: Codes | Selected | Named) -> Set:
        if isinstance(leaf, Named):
            return leaf
        return EMPTY if leaf.system in left_out or f"{leaf.system}|{leaf.version}" in left_out else leaf

    return mapped(found, of_leaf) if left_out else found


def check(groups: Iterable[Group], wanted: Versions) -> None:
    """Refuse (Invalid) code systems in another version than is wanted."""
    for group in groups:
        version = wanted.get(group.url)
        shown = group.shown_version
        if version is not None and shown is not None and f"{shown}.".startswith(f"{version}.") is False:
            raise invalid(f"the version of {group.url} is {shown}, not {version[:64]}", code="business-rule")
