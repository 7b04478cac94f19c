"""What a code system holds, as values: its concepts in the order listed, with their places in the hierarchy.

Spec: FHIR R4, hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.search.words import fitting, words


def speaks(language: str, wanted: str) -> bool:
    """Whether a text in `language` serves those who want `wanted`: `de-AT` serves `de`. Spec: RFC 4647 3.3.1"""
    return f"{language.lower()}-".startswith(f"{wanted.lower()}-")


class Designation(msgspec.Struct, frozen=True, array_like=True):
    """A further name. Spec: FHIR R4, hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.concept.designation"""

    value: str
    language: str | None = None
    use_system: str | None = None
    use_code: str | None = None
    use_display: str | None = None

    def speaks(self, wanted: str) -> bool:
        """Whether it serves those who want a language."""
        return speaks(self.language or "", wanted)


class Property(msgspec.Struct, frozen=True, array_like=True):
    """A property with its value as text; `type` is that of `value[x]`: code, Coding, string, integer, ..."""

    code: str
    type: str
    value: str
    value_system: str | None = None
    value_display: str | None = None


class Entry(msgspec.Struct, frozen=True):
    """A concept to be stored; `parents` are codes. A `key` is a code as codes of the system are compared."""

    code: str
    display: str | None = None
    definition: str | None = None
    parents: tuple[str, ...] = ()
    designations: tuple[Designation, ...] = ()
    properties: tuple[Property, ...] = ()
    inactive: bool = False
    abstract: bool = False

    @property
    def words(self) -> str:
        """The words that find the concept, as PostgreSQL writes a tsvector without places."""
        texts = [self.code, self.display or "", *(one.value for one in self.designations)]
        return " ".join(fitting(sorted({word for text in texts for word in words(text)})))


class Heading(msgspec.Struct, frozen=True):
    """A code system without its concepts; `about` is the CodeSystem resource without them."""

    url: str
    version: str
    content: str
    case_sensitive: bool
    about: Mapping[str, Any]

    def key(self, code: str) -> str:
        """A code as codes of this system are compared."""
        return code if self.case_sensitive else code.lower()

    def text(self, name: str) -> str | None:
        """An element of the resource that is a text."""
        value = self.about.get(name)
        return value if isinstance(value, str) else None


class Contents(msgspec.Struct, frozen=True):
    """A whole code system."""

    heading: Heading
    entries: Sequence[Entry]
