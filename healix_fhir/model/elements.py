"""The element tables of every R4 resource type, data type and backbone element.

A structure is named by its type (`Patient`, `HumanName`) or, where it has none, by its path (`Patient.contact`).
Tables are read and decoded on first use, one structure at a time.

Spec: FHIR R4, hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import msgspec

from healix_fhir.model.data_files import read

SUMMARY = 1
MODIFIER = 2
EMPTY_TAIL: list[Any] = ["", 0, 0, "", "", 0, ""]  # what a row of the data file leaves out at its end

PRIMITIVES = frozenset(
    {
        "base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer",
        "markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid", "xhtml",
    }
)  # fmt: skip
"""Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#primitive"""

OPEN_TYPES = (
    "base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer",
    "markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid", "Address", "Age",
    "Annotation", "Attachment", "CodeableConcept", "Coding", "ContactPoint", "Count", "Distance", "Duration",
    "HumanName", "Identifier", "Money", "Period", "Quantity", "Range", "Ratio", "Reference", "SampledData",
    "Signature", "Timing", "ContactDetail", "Contributor", "DataRequirement", "Expression", "ParameterDefinition",
    "RelatedArtifact", "TriggerDefinition", "UsageContext", "Dosage", "Meta",
)  # fmt: skip
"""What a choice of every type admits. Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html#open"""

RESOURCE = "Resource"
"""The structure of elements that hold a whole resource."""

RESTRICTED = {"SimpleQuantity": "Quantity", "MoneyQuantity": "Quantity"}
"""Names that the base specification uses like types, and the type whose name stands in JSON and FHIRPath."""


class Element(NamedTuple):
    """One element of a structure. `max` is 1, None where it repeats without bound, 0 where it is forbidden.

    `name` has no `[x]`; `types` are structure names, more than one or `choice` for `value[x]`; `targets` are the types
    a Reference may have, empty for any; `binding` is the value set of a required binding.
    """

    name: str
    choice: bool
    min: int
    max: int | None
    types: tuple[str, ...]
    targets: tuple[str, ...]
    summary: bool
    modifier: bool
    binding: str

    @property
    def repeats(self) -> bool:
        """Whether JSON holds this element as an array."""
        return self.max != 1


class Child(NamedTuple):
    """One JSON property that holds an element: its key, structure name and FHIR type, and whether it is an array."""

    key: str
    structure: str
    type: str
    repeats: bool


@cache
def elements(structure: str) -> Mapping[str, Element]:
    """The elements of a structure by name (without `[x]`), those of its base first; KeyError for an unknown one."""
    base, rows = msgspec.json.decode(_tables()[structure])
    inherited = elements(base) if base else {}
    return dict(inherited) | {element.name: element for element in map(_element, rows)}


@cache
def children(structure: str, name: str) -> tuple[Child, ...]:
    """The JSON properties that may hold element `name` (`value` or `value[x]`) of a structure; empty for an unknown
    name.

    A choice has one per type: (`valueQuantity`, `Quantity`), ... The path steps of FHIRPath are compiled from this.
    """
    element = elements(structure).get(name.removesuffix("[x]"))
    return json_properties(element) if element else ()


def json_properties(element: Element) -> tuple[Child, ...]:
    """The JSON properties that may hold `element`."""
    return tuple(
        Child(
            key=element.name + (fhir_type(type_)[0].upper() + fhir_type(type_)[1:] if element.choice else ""),
            structure=type_,
            type=fhir_type(type_),
            repeats=element.repeats,
        )
        for type_ in element.types
    )


def fhir_type(structure: str) -> str:
    """The FHIR type of a structure: `SimpleQuantity` is a Quantity, `Patient.contact` a BackboneElement."""
    if "." in structure:
        return str(msgspec.json.decode(_tables()[structure])[0])
    return RESTRICTED.get(structure, structure)


def is_structure(name: str) -> bool:
    """Whether `name` has a table: a complex type, a resource type or the path of a backbone element."""
    return name in _tables()


def structures() -> tuple[str, ...]:
    """The names of all structures."""
    return tuple(_tables())


@cache
def required_codes(value_set: str) -> Mapping[str, tuple[str, ...]] | None:
    """The codes of a required binding by system; None where they cannot be listed (MIME types, currencies, UCUM)."""
    lists = _codes()
    if value_set not in lists:
        return None
    return {system: tuple(codes) for system, codes in msgspec.json.decode(lists[value_set]).items()}


@cache
def _tables() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(read("elements.json.gz"), type=dict[str, msgspec.Raw])


@cache
def _codes() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(read("codes.json.gz"), type=dict[str, msgspec.Raw])


def _element(row: list[Any]) -> Element:
    name, minimum, maximum, types, targets, flags, binding = row + EMPTY_TAIL[len(row) :]
    return Element(
        name=name.removesuffix("[x]"),
        choice=name.endswith("[x]"),
        min=minimum,
        max={0: None, -1: 0}.get(maximum, maximum),
        types=OPEN_TYPES if types == "*" else tuple(types.split("|")),
        targets=tuple(targets.split("|")) if targets else (),
        summary=bool(flags & SUMMARY),
        modifier=bool(flags & MODIFIER),
        binding=binding,
    )
