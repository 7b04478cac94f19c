"""What FHIR R4 defines, as data: resource types, search parameters, compartments (elements: model/elements.py).

Everything but the list of types is read on first use, so that a process pays only for what it touches.

Spec: FHIR R4, hl7.org/fhir/R4/downloads.html (4.0.1)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from healix_fhir.model.custom import current, derived
from healix_fhir.model.data_files import read
from healix_fhir.model.elements import Child, Element, children, elements
from healix_fhir.model.search_parameter import Component, SearchParameter

__all__ = [
    "COMPARTMENT_ADDITIONS", "PATIENT_COMPARTMENT", "TYPES", "TYPE_ID", "TYPE_NAME", "Child", "Component", "Element",
    "SearchParameter", "children", "compartment", "elements", "extracted_parameters", "search_parameters",
    "standard_parameters",
]  # fmt: skip

TYPE_ID: dict[str, int] = msgspec.json.decode(read("types.json"), type=dict[str, int])
"""A fixed number for each resource type; stored in rows, so it never changes."""
TYPE_NAME: dict[int, str] = {number: name for name, number in TYPE_ID.items()}
TYPES: tuple[str, ...] = tuple(sorted(TYPE_ID))
"""Every resource type of 4.0.1."""

PARAMETERS_PER_TYPE = 100  # room for the ids of one type; the common parameters take the last ten
COMMON = ("_id", "_lastUpdated", "_profile", "_security", "_source", "_tag")

COMPARTMENT_ADDITIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"Device": ("patient",), "Task": ("patient",), "Binary": ("securityContext",)}
)
"""Types that R4 leaves out of the patient compartment although they tell of a patient; here they are in it.

A patient's own devices and tasks, and a Binary whose `securityContext` is a Patient or a resource of one (an element,
not a search parameter: FHIR R4, hl7.org/fhir/R4/binary.html#security).
"""


@derived
def search_parameters(type_name: str) -> Mapping[str, SearchParameter]:
    """The parameters by which a resource type can be searched, by code: R4's and custom ones."""
    standard, own = standard_parameters(type_name), current().searchable.get(type_name)
    return MappingProxyType({**standard, **own}) if own else standard


@derived
def extracted_parameters(type_name: str) -> Mapping[str, SearchParameter]:
    """The parameters that a resource of the type is indexed by: also custom ones that cannot be searched by yet."""
    found, pending = search_parameters(type_name), current().pending.get(type_name)
    return MappingProxyType({**found, **pending}) if pending else found


@cache
def standard_parameters(type_name: str) -> Mapping[str, SearchParameter]:
    """The R4 parameters of a resource type by code, those of Resource included; KeyError for an unknown type.

    `_text`, `_content` and `_query`, which have no expression, are not among them.
    """
    first = TYPE_ID[type_name] * PARAMETERS_PER_TYPE
    table = _search()
    own = msgspec.json.decode(table[type_name]) if type_name in table else []
    found = [_parameter(first + number, row) for number, row in enumerate(own)]
    last = first + PARAMETERS_PER_TYPE - 10
    found += [_parameter(last + COMMON.index(row[0]), row) for row in msgspec.json.decode(table["Resource"])]
    return MappingProxyType({parameter.code: parameter for parameter in found})


@cache
def compartment(name: str) -> Mapping[str, tuple[str, ...]]:
    """The official definition of a compartment: type to the codes of the parameters that link it."""
    return MappingProxyType({type_: tuple(codes) for type_, codes in _compartments()[name].items()})


def _parameter(number: int, row: list[Any]) -> SearchParameter:
    code, type_, expression, slug, *rest = row
    return SearchParameter(
        id=number,
        code=code,
        type=type_,
        expression=expression,
        targets=tuple(rest[0].split("|")) if rest and rest[0] else (),
        components=tuple(Component(*part) for part in rest[1]) if len(rest) > 1 else (),
        url=f"http://hl7.org/fhir/SearchParameter/{slug}",
    )


@cache
def _search() -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(read("search.json.gz"), type=dict[str, msgspec.Raw])


@cache
def _compartments() -> dict[str, dict[str, list[str]]]:
    return msgspec.json.decode(read("compartments.json.gz"), type=dict[str, dict[str, list[str]]])


PATIENT_COMPARTMENT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {**compartment("Patient"), **COMPARTMENT_ADDITIONS, "Patient": ("{def}",)}
)
"""Type to the search parameters that link it to a patient, our additions included; a Patient is in its own."""
