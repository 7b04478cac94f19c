"""Concepts as they are gathered from several files: who they are in one, what they are called in another.

Codes, languages and names of properties come again and again; each is kept once.
"""

from __future__ import annotations

from collections.abc import Iterator
from sys import intern

from healix_fhir.terminology.content import Designation, Entry, Property


class Concept:
    """A concept to which things are added."""

    __slots__ = ("abstract", "code", "definition", "designations", "display", "inactive", "parents", "properties")

    def __init__(self, code: str) -> None:
        self.code = intern(code)
        self.display: str | None = None
        self.definition: str | None = None
        self.parents: list[str] = []
        self.designations: list[Designation] = []
        self.properties: list[Property] = []
        self.inactive = False
        self.abstract = False

    def named(self, value: str, language: str | None = None, use: tuple[str, str, str] | None = None) -> None:
        """Add a designation; `use` is system, code and display."""
        if value:
            self.designations.append(Designation(value, language and intern(language), *(use or (None, None, None))))

    def has(self, code: str, value: str, kind: str = "string") -> None:
        """Add a property, unless it is empty."""
        if value:
            self.properties.append(Property(intern(code), kind, intern(value)))

    def below(self, parent: str) -> None:
        """Stand below another concept."""
        if parent not in self.parents:
            self.parents.append(intern(parent))


class Gathered:
    """The concepts of a code system by code, in the order in which they were first met."""

    def __init__(self) -> None:
        self._concepts: dict[str, Concept] = {}

    def __len__(self) -> int:
        return len(self._concepts)

    def __contains__(self, code: str) -> bool:
        return code in self._concepts

    def __iter__(self) -> Iterator[Concept]:
        return iter(self._concepts.values())

    def add(self, code: str) -> Concept | None:
        """A new concept; None where there is one with this code."""
        if code in self._concepts:
            return None
        made = self._concepts[code] = Concept(code)
        return made

    def get(self, code: str) -> Concept | None:
        """The concept with this code."""
        return self._concepts.get(code)

    def obtain(self, code: str) -> Concept:
        """The concept with this code, made if need be."""
        return self.get(code) or self._made(code)

    def _made(self, code: str) -> Concept:
        made = self._concepts[code] = Concept(code)
        return made

    def entries(self) -> Iterator[Entry]:
        """What was gathered; concepts are let go of as they are given."""
        while self._concepts:
            one = self._concepts.pop(next(iter(self._concepts)))
            yield Entry(
                one.code,
                one.display,
                one.definition,
                tuple(one.parents),
                tuple(one.designations),
                tuple(one.properties),
                one.inactive,
                one.abstract,
            )
