"""The value that an operation of a FHIRPath Patch brings, held to the type of the place where it goes.

Spec: FHIR R4, hl7.org/fhir/R4/fhirpatch.html#operations; hl7.org/fhir/R4/parameters.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from healix_fhir.model.elements import OPEN_TYPES, PRIMITIVES
from healix_fhir.model.fhirpath.evaluate.node import Property, every_property, properties
from healix_fhir.model.fhirpath.types import is_kind_of
from healix_fhir.model.patch.fhirpath_operation import Part, refusal
from healix_fhir.model.patch.place import Content

DEPTH = 32
"""The levels of parts within parts."""

WRITTEN_ALIKE = {
    "xhtml": frozenset({"string", "markdown"}),  # Parameters has no valueXhtml
    "dateTime": frozenset({"date", "instant"}),
    "date": frozenset({"dateTime"}),
    "instant": frozenset({"dateTime"}),
    "integer": frozenset({"unsignedInt", "positiveInt"}),
    "decimal": frozenset({"integer"}),
}
"""Types whose values may be of another type; whether they then are is for the validation of the whole resource."""


def content(part: Part, places: Sequence[Property], where: str, depth: int = 0) -> tuple[Property, Content]:
    """The content that `part` brings and the JSON property, one of `places`, that takes it.

    Raises Invalid when there is no value, or its type is none that the element may have.
    """
    if depth > DEPTH:
        raise refusal(where, f"parts are nested deeper than {DEPTH} levels")
    name = places[0].name
    if "part" in part:
        return _anonymous(part["part"], places, where, depth)
    if isinstance(part.get("resource"), Mapping):
        for place in places:
            if place.type == "Resource":
                return place, Content(part["resource"])
        raise refusal(where, f"'{name}' takes no resource")
    value = _value(part, where)
    for place in sorted(places, key=lambda place: place.type != value.type):  # of a choice its own type, if there is
        if accepts(place.type, value.type):
            return place, Content(part.get(value.key), part.get(value.beside) if place.beside else None)
    wanted = " or ".join(sorted({place.type for place in places})[:5])
    raise refusal(where, f"'{name}' is of type {wanted}, not {value.type}")


def _value(part: Part, where: str) -> Property:
    """The property `value[x]` of a part."""
    table = every_property("Parameters.parameter")
    found = [table[key] for key in part if key in table and table[key].name == "value" and key == table[key].key]
    alone = [table[key] for key in part if key in table and table[key].name == "value" and key == table[key].beside]
    if len(found or alone) != 1:
        raise refusal(where, f"the part {part.get('name')} has one value", code="required")
    return (found or alone)[0]


def accepts(wanted: str, given: str) -> bool:
    """Whether an element of type `wanted` takes a value of type `given`: the same, or one that is written alike.

    Clients send a string for a code or uri, since only the resource's own definition tells which it is.
    """
    if wanted == given or given in WRITTEN_ALIKE.get(wanted, ()):
        return True
    if wanted in PRIMITIVES and given in PRIMITIVES:
        return is_kind_of(wanted, given) or is_kind_of(given, wanted) or {wanted, given} <= TEXTS
    return is_kind_of(given, wanted)


WITH_VALUE = frozenset({*OPEN_TYPES, *PRIMITIVES, "Resource"})
"""Types that parts hold whole; backbone elements, narratives and extensions are made of parts."""
TEXTS = frozenset({"canonical", "code", "id", "markdown", "oid", "string", "uri", "url", "uuid"})


def _anonymous(parts: Any, places: Sequence[Property], where: str, depth: int) -> tuple[Property, Content]:
    """A value without a data type of its own, made of the parts that are its elements."""
    place = next((place for place in places if place.type not in WITH_VALUE), None)
    if place is None:
        raise refusal(where, f"'{places[0].name}' has a type of Parameters: give its value as value[x]")
    if not isinstance(parts, list) or not parts:
        raise refusal(where, "a value has parts", code="structure")
    made: dict[str, Any] = {}
    for part in parts:
        name = part.get("name") if isinstance(part, Mapping) else None
        found = properties(place.structure, name) if isinstance(name, str) else ()
        if not found:
            raise refusal(where, f"there is no element '{str(name)[:64]}' in {place.structure}")
        _put(made, *content(part, found, where, depth + 1), where)
    return place, Content(made)


def _put(made: dict[str, Any], place: Property, element: Content, where: str) -> None:
    if not place.repeats:
        if place.key in made or place.beside in made:
            raise refusal(where, f"'{place.name}' does not repeat")
        made.update(
            {
                key: value
                for key, value in ((place.key, element.value), (place.beside, element.beside))
                if value is not None
            }
        )
        return
    length = max(len(made.get(place.key, ())), len(made.get(place.beside, ())))
    for key, value in ((place.key, element.value), (place.beside, element.beside)):
        if key and (value is not None or key in made):
            made.setdefault(key, [None] * length).append(value)
