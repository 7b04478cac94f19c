"""A format in which code systems are handed out, and what reading one gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from healix_fhir.kernel.errors import invalid
from healix_fhir.terminology.content import Contents, Heading
from healix_fhir.terminology.loading.distribution import Distribution
from healix_fhir.terminology.loading.gathered import Gathered


class Wanted(msgspec.Struct, frozen=True):
    """What an operator says of a code system beside its files; None for what the files tell."""

    system: str | None = None
    version: str | None = None
    name: str | None = None


class Format(msgspec.Struct, frozen=True):
    """A format: its name, what it is in words, the files that it reads, and how."""

    name: str
    title: str
    files: tuple[str, ...]
    read: Callable[[Distribution, Wanted], Contents]


def contents(
    gathered: Gathered,
    wanted: Wanted,
    *,
    url: str | None = None,
    version: str | None = None,
    name: str | None = None,
    case_sensitive: bool = True,
    hierarchical: bool = True,
    about: Mapping[str, Any] | None = None,
) -> Contents:
    """What was gathered, under what the operator says, else what the format does. Raises Invalid where nothing does."""
    url, version = wanted.system or url, wanted.version or version
    if url is None:
        raise invalid("the files do not say of which code system they are: name it by --system URL")
    if version is None:
        raise invalid("the files do not say their version: name it by --version")
    if not len(gathered):
        raise invalid("there are no concepts in the files")
    said = {
        "resourceType": "CodeSystem",
        "url": url,
        "version": version,
        "name": wanted.name or name,
        "status": "active",
        "content": "complete",
        "caseSensitive": case_sensitive,
        **({"hierarchyMeaning": "is-a"} if hierarchical else {}),
        **(about or {}),
    }
    heading = Heading(url, version, "complete", case_sensitive, {k: v for k, v in said.items() if v is not None})
    return Contents(heading, list(gathered.entries()))
