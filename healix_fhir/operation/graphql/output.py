"""The answer while it is made: objects whose names collect one value or several.

What was flattened puts its values into the object above it. There every name is a list, unless it is said to be single.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html#flattening
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from healix_fhir.kernel.errors import too_large
from healix_fhir.operation.graphql.document import wrong
from healix_fhir.operation.graphql.selection import Field

MOST = 200_000
"""Values in one answer."""
LONGEST = 32_000_000
"""Characters of its names and values: each may be asked for under many names."""


class Size:
    """How many values there are already, and how long they are."""

    __slots__ = ("_count", "_length")

    def __init__(self) -> None:
        self._count = self._length = 0

    def grow(self, key: str, value: Any) -> None:
        """One value more, with its name. Raises TooLarge."""
        self._count += 1
        self._length += len(key) + length(value)
        if self._count > MOST:
            raise too_large(f"$graphql: an answer has at most {MOST} values; ask for less at once")
        if self._length > LONGEST:
            raise too_large(f"$graphql: an answer has at most {LONGEST} characters; ask for less at once")


def length(value: Any) -> int:
    """How many characters a value is written with, roughly; what an object holds is counted by itself."""
    if isinstance(value, str):
        return len(value)
    return len(str(value)) if isinstance(value, Decimal) else 1


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
        self._size.grow(key, value)
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
