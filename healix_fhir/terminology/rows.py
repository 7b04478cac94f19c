"""The rows of a code system: its entries numbered, as columns for the tables (see tables.py).

Spec: FHIR R4, hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from healix_fhir.terminology.content import Contents, Entry, Heading
from healix_fhir.terminology.hierarchy import Arrangement, Ranges, arrange, literal

MOST = 2_000_000
"""Ranges that the hierarchy of one resource may come to; a tree has one for each concept."""

ConceptRow = tuple[int, str, str, str | None, str | None, bool, bool, str, str]
DesignationRow = tuple[int, str | None, str | None, str | None, str | None, str]
PropertyRow = tuple[int, str, str, str, str | None, str | None]


Places: TypeAlias = Sequence[int] | None
"""Places in the list of entries; None for all."""


class Placed(msgspec.Struct, frozen=True):
    """The entries of a code system with their numbers and what is below each; `parents` are places in the list."""

    heading: Heading
    entries: Sequence[Entry]
    parents: Sequence[Sequence[int]]
    arrangement: Arrangement

    def concepts(self, places: Places = None) -> Iterator[ConceptRow]:
        """n, code, key, display, definition, inactive, abstract, below, words."""
        for entry, number, below in self._each(places):
            yield (
                number, entry.code, self.heading.key(entry.code), entry.display, entry.definition, entry.inactive,
                entry.abstract, literal(below), entry.words,
            )  # fmt: skip

    def edges(self, places: Places = None) -> Iterator[tuple[int, int]]:
        """n, parent; those that would close a circle too, since they are what was said."""
        numbers = self.arrangement.numbers
        for place in self._places(places):
            for parent in self.parents[place]:
                yield numbers[place], numbers[parent]

    def designations(self, places: Places = None) -> Iterator[DesignationRow]:
        """n, language, use_system, use_code, use_display, value."""
        for entry, number, _ in self._each(places):
            for one in entry.designations:
                yield number, one.language, one.use_system, one.use_code, one.use_display, one.value

    def properties(self, places: Places = None) -> Iterator[PropertyRow]:
        """n, code, type, value, value_system, value_display."""
        for entry, number, _ in self._each(places):
            for one in entry.properties:
                yield number, one.code, one.type, one.value, one.value_system, one.value_display

    def inactive(self) -> Ranges:
        """The numbers of inactive concepts."""
        return _ranges(number for entry, number, _ in self._each(None) if entry.inactive)

    def abstract(self) -> Ranges:
        """The numbers of abstract concepts."""
        return _ranges(number for entry, number, _ in self._each(None) if entry.abstract)

    def in_order(self) -> list[int]:
        """The places by number."""
        return sorted(range(len(self.entries)), key=self.arrangement.numbers.__getitem__)

    def _each(self, places: Places) -> Iterator[tuple[Entry, int, Ranges]]:
        numbers, below = self.arrangement.numbers, self.arrangement.below
        return ((self.entries[place], numbers[place], below[place]) for place in self._places(places))

    def _places(self, places: Places) -> Iterable[int]:
        return range(len(self.entries)) if places is None else places


def _ranges(numbers: Iterable[int]) -> Ranges:
    found: list[int] = []
    for number in sorted(numbers):
        if found and found[-1] == number:
            found[-1] += 1
        else:
            found += (number, number + 1)
    return tuple(found)


def placed(contents: Contents, most: int = MOST) -> Placed:
    """Number the entries of a code system. Raises TooLarge for a hierarchy that comes to more ranges than `most`."""
    key: Callable[[str], str] = contents.heading.key
    places = {key(entry.code): place for place, entry in enumerate(contents.entries)}
    parents = [_above(place, entry, places, key) for place, entry in enumerate(contents.entries)]
    return Placed(contents.heading, contents.entries, parents, arrange(parents, most))


def _above(place: int, entry: Entry, places: dict[str, int], key: Callable[[str], str]) -> list[int]:
    """The places of the parents that there are; a concept is no parent of itself."""
    found = (places.get(key(code)) for code in entry.parents)
    return [parent for parent in dict.fromkeys(found) if parent is not None and parent != place]
