"""The flat columns of a resource type, for analysts: what of a resource a table has, and under which name.

Each element of the type itself that is simple has columns: primitives one, Codings, References, Quantities and their
like one for each part that is told. Of what repeats it is the first. What nests deeper has none; `json` is the whole.
The columns of a type are the same for all resources, and follow from R4's definitions alone
(docs/decisions/0142-tables-for-analysts.md).

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from math import isfinite
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from healix_fhir.model.elements import PRIMITIVES, Child, elements, json_properties

Json = Mapping[str, Any]


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    INSTANT = "instant"


class Column(NamedTuple):
    """A column of a table."""

    name: str
    kind: Kind


class _Part(NamedTuple):
    """A column that a value has: what follows the name of its element, what it holds, and how it is read."""

    suffix: str
    kind: Kind
    read: Callable[[Any], Any]


KINDS = {"boolean": Kind.BOOLEAN, "decimal": Kind.NUMBER, "instant": Kind.INSTANT} | dict.fromkeys(
    ("integer", "positiveInt", "unsignedInt"), Kind.INTEGER
)
"""What columns of primitive types hold that are no texts. Dates are texts: they may be known to the year alone."""
APART = frozenset({"id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"})
"""Elements of every resource without columns of their own."""
BYTES = frozenset({"base64Binary", "xhtml"})


def _at(*names: str) -> Callable[[Any], Any]:
    """What reads a part of a part; of what repeats, the first."""

    def read(value: Any) -> Any:
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
            value = value[0] if isinstance(value, list) and value else value
        return value

    return read


def _joined(name: str, by: str) -> Callable[[Any], str | None]:
    return lambda value: by.join(filter(None, value.get(name, ()))) or None


def _target(part: int) -> Callable[[Any], str | None]:
    """What reads the type, or the id, of a Reference to a resource of this server."""

    def read(value: Any) -> str | None:
        found = RELATIVE.fullmatch(str(value.get("reference", "")))
        return found[part] if found else None

    return read


RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def _texts(**paths: tuple[str, ...]) -> tuple[_Part, ...]:
    return tuple(_Part(f"_{suffix}", Kind.TEXT, _at(*names)) for suffix, names in paths.items())


_AMOUNT = (
    _Part("_value", Kind.NUMBER, _at("value")), *_texts(comparator=("comparator",), unit=("unit",), code=("code",))
)  # fmt: skip
_CODING = ("coding",)
PARTS: Mapping[str, tuple[_Part, ...]] = MappingProxyType({
    "Coding": _texts(system=("system",), code=("code",), display=("display",)),
    "CodeableConcept": _texts(
        system=(*_CODING, "system"), code=(*_CODING, "code"), display=(*_CODING, "display"), text=("text",)
    ),
    "Reference": (
        _Part("_target_type", Kind.TEXT, _target(1)), _Part("_target_id", Kind.TEXT, _target(2)),
        *_texts(reference=("reference",), display=("display",)),
    ),
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _AMOUNT),
    "Money": (_Part("_value", Kind.NUMBER, _at("value")), *_texts(currency=("currency",))),
    "Range": (_Part("_low", Kind.NUMBER, _at("low", "value")), _Part("_high", Kind.NUMBER, _at("high", "value"))),
    "Ratio": (
        _Part("_numerator", Kind.NUMBER, _at("numerator", "value")),
        _Part("_denominator", Kind.NUMBER, _at("denominator", "value")),
    ),
    "Period": _texts(start=("start",), end=("end",)),
    "Identifier": _texts(system=("system",), value=("value",)),
    "HumanName": (*_texts(family=("family",), text=("text",)), _Part("_given", Kind.TEXT, _joined("given", " "))),
    "ContactPoint": _texts(system=("system",), value=("value",)),
    "Address": (
        _Part("_line", Kind.TEXT, _joined("line", ", ")),
        *_texts(city=("city",), state=("state",), postal_code=("postalCode",), country=("country",), text=("text",)),
    ),
    "Annotation": _texts(text=("text",)),
    "Attachment": _texts(content_type=("contentType",), url=("url",), title=("title",)),
})  # fmt: skip
"""The columns of values by type, behind the name of their element."""


class _Source(NamedTuple):
    """Columns that are read from one JSON property."""

    key: str
    repeats: bool
    parts: tuple[tuple[Column, Callable[[Any], Any]], ...]


def _number(text: str) -> float | None:
    """A decimal as a floating-point number; None for one beyond these, whose digits are in `json`."""
    number = float(text)
    return number if isfinite(number) else None


_DECODER = msgspec.json.Decoder(float_hook=_number)


@cache
def columns(type_name: str) -> tuple[Column, ...]:
    """The columns of a resource type, in the order of its elements."""
    own = [column for source in _sources(type_name) for column, _ in source.parts]
    return (
        Column("id", Kind.TEXT), Column("meta_version_id", Kind.TEXT),
        Column("meta_last_updated", Kind.INSTANT),
        *own,
        Column("json", Kind.TEXT),
    )  # fmt: skip


def row(type_name: str, line: bytes) -> dict[str, Any]:
    """The values of the columns of a resource, those that there are; `line` is its JSON."""
    resource = _DECODER.decode(line)
    meta = resource.get("meta", {})
    found = {
        "id": resource.get("id"),
        "meta_version_id": meta.get("versionId"),
        "meta_last_updated": meta.get("lastUpdated"),
    }
    for key, repeats, parts in _sources(type_name):
        value = resource.get(key)
        if repeats and value:
            value = value[0]
        if value is not None:
            for column, read in parts:
                if (told := read(value)) is not None:
                    found[column.name] = told
    found["json"] = line.decode()
    return found


@cache
def _sources(type_name: str) -> tuple[_Source, ...]:
    return tuple(
        _Source(child.key, child.repeats, parts)
        for name, element in elements(type_name).items()
        if name not in APART
        for child in json_properties(element)
        if (parts := tuple(_parts(child)))
    )


def _parts(child: Child) -> Iterator[tuple[Column, Callable[[Any], Any]]]:
    name = snake(child.key)
    if child.type in PRIMITIVES:
        if child.type not in BYTES:
            yield Column(name, KINDS.get(child.type, Kind.TEXT)), _itself
        return
    for part in PARTS.get(child.type, ()):
        yield Column(f"{name}{part.suffix}", part.kind), part.read


def _itself(value: Any) -> Any:
    return value


def snake(name: str) -> str:
    """`valueQuantity` as `value_quantity`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
