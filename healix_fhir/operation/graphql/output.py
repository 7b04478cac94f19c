"""The answer while it is made: objects whose names collect one value or several.

What was flattened puts its values into the object above it. There every name is a list, unless it is said to be single.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html#flattening
"""

from __future__ import annotations

from typing import Any

from healix_fhir.kernel.errors import too_large
from healix_fhir.operation.graphql.document import wrong
from healix_fhir.operation.graphql.selection import Field

MOST = 200_000
"""Values in one answer."""


class Size:
    """How many values there are already."""

    __slots__ = ("_count",)

    def __init__(self) -> None:
        self._count = 0

    def grow(self) -> None:
        """One more. Raises TooLarge."""
        self._count += 1
        if self._count > MOST:
            raise too_large(f"$graphql: an answer has at most {MOST} values; ask for less at once")


class Entry:
    """The values of one name."""

    __slots__ = ("listed", "type", "values")

    def __init__(self, type_: str, *, listed: bool) -> None:
        self.type = type_
        self.listed = listed
        self.values: list[Any] = []


class Record:
    """An object of the answer."""

    __slots__ = ("_entries", "_size")

    def __init__(self, size: Size) -> None:
        self._size = size
        self._entries: dict[str, Entry] = {}

    def entry(self, field: Field, key: str, type_: str, *, listed: bool) -> Entry:
        """The values of `key`; a list of them where it is `listed`. Raises Invalid where types are mixed."""
        found = self._entries.get(key)
        if found is None:
            found = self._entries[key] = Entry(type_, listed=listed and not field.singleton)
        elif found.type != type_:
            raise wrong(field.node, f"'{key}' would hold {found.type} and {type_}: give one of them another name")
        return found

    def put(self, field: Field, key: str, type_: str, value: Any, *, listed: bool) -> None:
        """Add a value. Raises Invalid for a second one of what is single, TooLarge."""
        entry = self.entry(field, key, type_, listed=listed)
        if entry.values and not entry.listed:
            raise wrong(field.node, f"'{key}' has several values and is single: filter, or take the @first")
        self._size.grow()
        entry.values.append(value)

    def inner(self) -> Record:
        """An object for a place in this one."""
        return Record(self._size)

    def finished(self) -> dict[str, Any]:
        """The object as it is written; what has no value is left out."""
        return {
            key: [_finished(one) for one in entry.values] if entry.listed else _finished(entry.values[0])
            for key, entry in self._entries.items()
            if entry.listed or entry.values
        }


def _finished(value: Any) -> Any:
    return value.finished() if isinstance(value, Record) else value
