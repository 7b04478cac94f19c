"""A conformance resource that validation uses, and the canonical that names it.

Spec: FHIR R4, hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

NUMBERS = re.compile(r"\d+|[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Package:
    """An installed NPM package; `dependencies` are names with versions."""

    name: str
    version: str
    dependencies: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """A StructureDefinition, ValueSet or CodeSystem with where it comes from.

    `package` is None for R4's own definitions (`official`) and for resources that were written over REST.
    """

    url: str
    version: str
    body: dict[str, Any] = field(repr=False)
    package: Package | None = None
    official: bool = False

    @property
    def kind(self) -> str:
        """Its resource type."""
        return str(self.body.get("resourceType"))


def split(canonical: str) -> tuple[str, str]:
    """The url and the version (or an empty text) of a canonical; a fragment is no part of either."""
    url, _, version = canonical.partition("|")
    return url.partition("#")[0], version.partition("#")[0]


def precedence(version: str) -> tuple[tuple[int, str], ...]:
    """A key by which later versions come last, numbers by size; a release after its previews."""
    release, _, preview = version.partition("-")
    parts = [(int(part), "") if part.isdigit() else (-1, part) for part in NUMBERS.findall(release)]
    return (*parts, *([(-2, preview)] if preview else [(-1, "")]))
