"""What a FHIRPath Patch must do to make one resource of another.

The steps are found element by element: what is on both sides is gone into, lists are compared from both ends. What the
server sets is left out: the resource's id, and version and time in meta. Within an object elements are added before
others are deleted, since a deletion also removes what it leaves empty.

Spec: FHIR R4, hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from healix_fhir.model.elements import OPEN_TYPES, PRIMITIVES
from healix_fhir.model.fhirpath.evaluate.node import Property, every_property
from healix_fhir.model.patch.place import Content, Place

Json = dict[str, Any]
FIXED: Mapping[str, frozenset[str]] = {"meta": frozenset({"versionId", "lastUpdated"})}
"""By the element of a resource that holds them, what only the server sets."""


def difference(before: Json, after: Json) -> Json:
    """The patch, a Parameters resource, that makes `after` of `before`; both are valid and of one type."""
    kind = before["resourceType"]
    steps = list(_object(kind, kind, _own(before), _own(after)))
    return {"resourceType": "Parameters"} | ({"parameter": steps} if steps else {})


def _own(resource: Json) -> Json:
    """A resource without what the server sets."""
    kept = {key: value for key, value in resource.items() if key != "id"}
    for name, fixed in FIXED.items():
        if name in kept:
            kept[name] = {key: value for key, value in kept[name].items() if key not in fixed}
            if not kept[name]:
                del kept[name]
    return kept


def _object(structure: str, path: str, before: Json, after: Json) -> Iterator[Json]:
    """The steps within one object: changes and additions, then deletions."""
    table = every_property(structure)
    there = list(dict.fromkeys(table[key] for key in (*before, *after) if key in table))
    gone = []
    for place in there:
        old, new = Place(before, place).read(), Place(after, place).read()
        where = f"{path}.{place.name}"
        if old == new:
            continue
        if not new:
            gone.append((place, old))
        elif place.repeats:
            yield from _list(place, path, old, new)
        elif old:
            yield from _changed(place, where, old[0], new[0])
        elif any(other.name == place.name and Place(before, other).read() for other in there):
            yield _step("replace", where, value=_value("value", place, new[0]))  # a choice of another type
        else:
            yield _step("add", path, name=place.name, value=_value("value", place, new[0]))
    for place, old in gone:
        if not any(other.name == place.name and other is not place and Place(after, other).read() for other in there):
            for index in reversed(range(len(old))):
                yield _step("delete", f"{path}.{place.name}[{index}]" if place.repeats else f"{path}.{place.name}")


def _list(place: Property, path: str, old: list[Content], new: list[Content]) -> Iterator[Json]:
    """The steps from one list to another: what both begin and end with stays."""
    where = f"{path}.{place.name}"
    if not old:
        for content in new:
            yield _step("add", path, name=place.name, value=_value("value", place, content))
        return
    shorter = min(len(old), len(new))
    start = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    rest = shorter - start
    end = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    both = shorter - start - end
    for n in range(start, start + both):
        yield from _changed(place, f"{where}[{n}]", old[n], new[n])
    for n in range(start + both, len(new) - end):
        yield _step("insert", where, index=n, value=_value("value", place, new[n]))
    for n in reversed(range(start + both, len(old) - end)):
        yield _step("delete", f"{where}[{n}]")


def _changed(place: Property, where: str, old: Content, new: Content) -> Iterator[Json]:
    """The steps from one content of an element to another."""
    if old == new:
        return
    inner = place.structure
    if isinstance(old.value, dict) and isinstance(new.value, dict):
        if place.type == "Resource":
            inner = old.value["resourceType"] if old.value["resourceType"] == new.value["resourceType"] else ""
        if inner:
            yield from _object(inner, where, old.value, new.value)
            return
    yield _step("replace", where, value=_value("value", place, new))


def _value(name: str, place: Property, content: Content) -> Json:
    """A part that holds the content of an element, as FHIRPath Patch reads it."""
    if place.type in PRIMITIVES:
        key = f"value{place.type[0].upper()}{place.type[1:]}" if place.type in OPEN_TYPES else "valueString"
        shown = {key: content.value, f"_{key}": content.beside}
        return {"name": name} | {key: value for key, value in shown.items() if value is not None}
    if place.type == "Resource":
        return {"name": name, "resource": content.value}
    if place.type in OPEN_TYPES:
        return {"name": name, f"value{place.type}": content.value}
    table = every_property(place.structure)
    places = dict.fromkeys(table[key] for key in content.value if key in table)
    parts = [_value(one.name, one, inner) for one in places for inner in Place(content.value, one).read()]
    return {"name": name, "part": parts}


def _step(kind: str, path: str, *, name: str = "", index: int | None = None, value: Json | None = None) -> Json:
    parts: list[Json] = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    if name:
        parts.append({"name": "name", "valueString": name})
    if index is not None:
        parts.append({"name": "index", "valueInteger": index})
    if value is not None:
        parts.append(value)
    return {"name": "operation", "part": parts}
