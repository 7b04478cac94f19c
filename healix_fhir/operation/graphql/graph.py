"""The graph that a query walks: which fields the types have, and what stands for each in FHIR.

Types are the element tables of R4: `Patient`, `HumanName`, and `PatientContact` for the backbone element
`Patient.contact`. A field is a JSON property. Beside these a Reference has `resource`, and every resource, like the
query itself, `[Type]List` and `[Type]Connection`.

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html#fields, #references, #searching, #reverse
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache

from healix_fhir.model.custom import derived
from healix_fhir.model.definitions import TYPE_ID, TYPES, SearchParameter, search_parameters
from healix_fhir.model.elements import PRIMITIVES, structures
from healix_fhir.model.fhirpath.evaluate.node import Property, every_property
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.search.params.indexed import is_indexed

QUERY = "Query"
RESOURCE = "Resource"
DOMAIN = "DomainResource"
NO_DOMAIN = frozenset({"Binary", "Bundle", "Parameters"})
CONNECTION, EDGE = "Connection", "Edge"


class Kind(Enum):
    """What a field is."""

    VALUE = "the value of a primitive"
    BESIDE = "id and extensions of a primitive"
    OBJECT = "an element with elements of its own, or a resource inside another"
    TYPE = "the type of a resource"
    NAME = "the name of a type of the graph"
    TARGET = "the resource that a Reference refers to"
    ONE = "a resource by its id"
    LIST = "resources that a search finds"
    PAGES = "a page of resources that a search finds, and the way to the others"
    FACT = "what is told of a page, or of a match"
    EDGES = "the matches of a page"
    MATCH = "the resource that matches"


@dataclass(frozen=True, slots=True)
class Place:
    """A field of a type: `type` is the resource type of what a search finds, `property` where the field stands."""

    kind: Kind
    type: str = ""
    property: Property | None = None
    repeats: bool = False


NAME = Place(Kind.NAME)
FACTS = ("count", "offset", "pagesize", "first", "previous", "next", "last")


@cache
def structure_of() -> Mapping[str, str]:
    """The structures of R4 by the names of their types in the graph."""
    return {type_name(structure): structure for structure in structures()}


def type_name(structure: str) -> str:
    """The name of the type of a structure."""
    return "".join(part[0].upper() + part[1:] for part in structure.split("."))


def place(structure: str, name: str) -> Place | None:
    """The field `name` of a type; None where it has no such field."""
    if name == "__typename":
        return NAME
    found = places(structure).get(name)
    return found if found is not None else _search(structure, name)


@cache
def places(structure: str) -> Mapping[str, Place]:
    """The fields of a type, but for searches."""
    if structure == QUERY:
        return {name: Place(Kind.ONE, name) for name in TYPES}
    type_, _, what = structure.partition("@")
    if what == CONNECTION:
        return {name: Place(Kind.FACT) for name in FACTS} | {"edges": Place(Kind.EDGES, type_, repeats=True)}
    if what == EDGE:
        return {name: Place(Kind.FACT) for name in ("mode", "score")} | {"resource": Place(Kind.MATCH, type_)}
    found = {key: _of_property(key, one) for key, one in every_property(structure).items()}
    if structure in TYPE_ID:
        found["resourceType"] = Place(Kind.TYPE)
    if structure == "Reference":
        found["resource"] = Place(Kind.TARGET)
    return found


def _of_property(key: str, one: Property) -> Place:
    kind = Kind.BESIDE if key != one.key else Kind.VALUE if one.type in PRIMITIVES else Kind.OBJECT
    return Place(kind, property=one, repeats=one.repeats)


def _search(structure: str, name: str) -> Place | None:
    """`[Type]List` or `[Type]Connection` of the query itself, or of a resource."""
    if structure != QUERY and structure not in TYPE_ID:
        return None
    for ending, kind in (("List", Kind.LIST), (CONNECTION, Kind.PAGES)):
        type_ = name.removesuffix(ending)
        if type_ != name and type_ in TYPE_ID and (structure == QUERY or referring(type_, structure)):
            return Place(kind, type_, repeats=kind is Kind.LIST)
    return None


@derived
def criteria(type_: str) -> Mapping[str, SearchParameter]:
    """The search parameters of a type by the names of their arguments, which have no hyphens."""
    return {
        code.replace("-", "_"): parameter
        for code, parameter in search_parameters(type_).items()
        if is_indexed(parameter)
    }


@derived
def _references(type_: str) -> Mapping[str, SearchParameter]:
    """The parameters of a type that find references to other resources."""
    return {
        name: parameter
        for name, parameter in criteria(type_).items()
        if parameter.type == "reference"
        and any(branch.type == "Reference" for branch in compile_branches(parameter.expression, type_))
    }


def referring(type_: str, target: str) -> Mapping[str, SearchParameter]:
    """The parameters of resources of `type_` that may refer to one of the type `target`."""
    return {name: one for name, one in _references(type_).items() if not one.targets or target in one.targets}


def is_of(structure: str, condition: str) -> bool:
    """Whether what is of a type of the graph is of the type `condition` too."""
    if condition == type_name(structure):
        return True
    if structure not in TYPE_ID:
        return False
    return condition == RESOURCE or (condition == DOMAIN and structure not in NO_DOMAIN)


def is_type(condition: str) -> bool:
    """Whether there is a type of this name."""
    return condition in structure_of() or condition in (QUERY, RESOURCE, DOMAIN)
