"""Where in the text of a JSON body an issue is: line and column for FHIRPath locations.

The body is scanned once, and only when there are issues. A location whose element is missing is placed at the nearest
element around it.

Spec: FHIR R4, hl7.org/fhir/R4/operationoutcome.html; RFC 8259
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Step = str | int
Pointer = tuple[Step, ...]

STEP = re.compile(r"([A-Za-z][A-Za-z0-9]*)(?:\[(\d+)\])?")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


class Place(NamedTuple):
    """A place in a text, both from 1; the column counts characters."""

    line: int
    column: int


def places(text: str, resource: dict[str, Any], locations: Iterable[str], start: Pointer = ()) -> dict[str, Place]:
    """The places of FHIRPath `locations` in a JSON `text` that holds `resource` at the pointer `start`."""
    wanted = {location: (*start, *pointer(resource, location)) for location in locations}
    offsets = _offsets(text, set(wanted.values()))
    return {location: _place(text, offsets[found]) for location, found in wanted.items() if found in offsets}


def pointer(resource: dict[str, Any], location: str) -> Pointer:
    """The keys and positions of JSON that lead to a FHIRPath location, as far as the resource goes."""
    found: list[Step] = []
    value: Any = resource
    holder: dict[str, Any] | None = None
    for name, index in STEP.findall(location)[1:]:
        if not isinstance(value, dict) and holder is not None and found:  # the extensions of a primitive
            value = _beside(found, holder)
        if not isinstance(value, dict):
            break
        key = _key(value, name)
        if key is None:
            break
        holder, value = value, value[key]
        found.append(key)
        if isinstance(value, list):
            position = int(index or 0)
            if position >= len(value):
                break
            found.append(position)
            value = value[position]
    return tuple(found)


def _beside(found: list[Step], holder: dict[str, Any]) -> Any:
    """Go to the sibling of the primitive that `found` leads to."""
    place = -2 if isinstance(found[-1], int) else -1
    value = holder.get(f"_{found[place]}")
    if isinstance(value, list) and place == -2 and isinstance(found[-1], int) and found[-1] < len(value):
        value = value[found[-1]]
    if isinstance(value, dict):
        found[place] = f"_{found[place]}"
        return value
    return None


def _key(value: Mapping[str, Any], name: str) -> str | None:
    """The property that holds element `name`: itself, its sibling, or the choice by a type."""
    for key in (name, f"_{name}"):
        if key in value:
            return key
    size = len(name)
    for key in value:
        bare = key.removeprefix("_")
        if bare.startswith(name) and bare[size : size + 1].isupper():
            return key
    return None


def _offsets(text: str, wanted: set[Pointer]) -> dict[Pointer, int]:
    """Where the values at the wanted pointers begin; of a member, where its key does."""
    found: dict[Pointer, int] = {}
    path: list[Step] = []
    containers: list[str] = []
    key_follows = False
    start = -1
    for token in TOKEN.finditer(text):
        word = token[0]
        if word in ("{", "["):
            _note(found, wanted, path, start if start >= 0 else token.start())
            start = -1
            containers.append(word)
            path.append("" if word == "{" else 0)
            key_follows = word == "{"
        elif word in ("}", "]"):
            containers.pop()
            path.pop()
        elif word == ",":
            if containers[-1] == "[":
                path[-1] = int(path[-1]) + 1
            key_follows = containers[-1] == "{"
        elif word == ":":
            continue
        elif key_follows:
            path[-1] = word[1:-1]  # names of elements need no escapes
            start, key_follows = token.start(), False
        else:
            _note(found, wanted, path, start if start >= 0 else token.start())
            start = -1
    return found


def _note(found: dict[Pointer, int], wanted: set[Pointer], path: list[Step], offset: int) -> None:
    here = tuple(path)
    if here in wanted:
        found.setdefault(here, offset)


def _place(text: str, offset: int) -> Place:
    before = text.rfind("\n", 0, offset)
    return Place(text.count("\n", 0, offset) + 1, offset - before)
