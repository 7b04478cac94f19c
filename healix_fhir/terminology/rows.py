"""The rows of a code system: its entries numbered, as columns for the tables (see tables.py).

Spec: FHIR R4, hl7.org/fhir/R4/codesystem.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from healix_fhir.terminology.content import Contents, Entry, Heading
from healix_fhir.terminology.hierarchy import Arrangement, Ranges, arrange, literal

MOST = 2_000_000
"""Ranges that the hierarchy of one resource may come to; a tree has one for each concept."""

ConceptRow = tuple[int, str, str, str | None, str | None, bool, bool, str, str]
DesignationRow = tuple[int, str | None, str | None, str | None, str | None, str]
PropertyRow = tuple[int, str, str, str, str | None, str | None]


class Placed(msgspec.Struct, frozen=True):
    """The entries of a code system with their numbers and what is below each; `parents` are places in the list."""

    heading: Heading
    entries: Sequence[Entry]
    parents: Sequence[Sequence[int]]
    arrangement: Arrangement

    def concepts(self) -> Iterator[ConceptRow]:
        """n, code, key, display, definition, inactive, abstract, below, words."""
        for entry, number, below in self._each():
            yield (
                number, entry.code, self.heading.key(entry.code), entry.display, entry.definition, entry.inactive,
                entry.abstract, literal(below), entry.words,
            )  # fmt: skip

    def edges(self) -> Iterator[tuple[int, int]]:
        """n, parent; those that would close a circle too, since they are what was said."""
        numbers = self.arrangement.numbers
        for place, above in enumerate(self.parents):
            for parent in above:
                yield numbers[place], numbers[parent]

    def designations(self) -> Iterator[DesignationRow]:
        """n, language, use_system, use_code, use_display, value."""
        for entry, number, _ in self._each():
            for one in entry.designations:
                yield number, one.language, one.use_system, one.use_code, one.use_display, one.value

    def properties(self) -> Iterator[PropertyRow]:
        """n, code, type, value, value_system, value_display."""
        for entry, number, _ in self._each():
            for one in entry.properties:
                yield number, one.code, one.type, one.value, one.value_system, one.value_display

    def _each(self) -> Iterable[tuple[Entry, int, Ranges]]:
        return zip(self.entries, self.arrangement.numbers, self.arrangement.below, strict=True)


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
