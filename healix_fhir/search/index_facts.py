"""What the index knows of a type beyond its parameters: hot tokens, the main date, links to patients and by URL."""

from __future__ import annotations

from enum import Enum
from functools import cache

from healix_fhir.model.definitions import PATIENT_COMPARTMENT, SearchParameter, standard_parameters
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.search.params.date import MAIN_DATE
from healix_fhir.search.params.token import CODED, is_hot

COMMONNESS = ("identifier", "code", "component-code")
"""Hot parameters, those of whose tokens fewest resources share first; the others follow."""
WHERE = ".where(resolve() is Patient)"
CANONICAL = frozenset({"canonical", "uri"})


class Pointing(Enum):
    """How a reference parameter names what it points to."""

    ID = "by type and logical id"
    URL = "by canonical URL"


def frequency(code: str) -> int | None:
    """How many resources share one token of the parameter `code`, as a rank; None where its tokens are not hot."""
    if not is_hot(code):
        return None
    return COMMONNESS.index(code) if code in COMMONNESS else len(COMMONNESS)


def main_date(type_name: str) -> str | None:
    """The code of the parameter that is the type's main clinical date."""
    return MAIN_DATE.get(type_name)


@cache
def is_patient_link(type_name: str, parameter: SearchParameter) -> bool:
    """Whether a reference of the parameter to a Patient always puts the resource into that patient's compartment."""
    known = standard_parameters(type_name)
    links = {_path(known[code]) for code in PATIENT_COMPARTMENT.get(type_name, ()) if code in known}
    return _path(parameter) in links


def _path(parameter: SearchParameter) -> str:
    return parameter.expression.removesuffix(WHERE)


@cache
def pointing(type_name: str, parameter: SearchParameter) -> frozenset[Pointing]:
    """In which ways the values of a reference parameter may point."""
    types = {branch.type for branch in compile_branches(parameter.expression, type_name)}
    ways = {Pointing.URL} if types & CANONICAL else set()
    return frozenset(ways | {Pointing.ID} if types - CANONICAL or not types else ways)


def url_parameter(type_name: str) -> int | None:
    """The parameter whose rows hold the canonical URL of a resource itself; None for types that have none."""
    parameter = standard_parameters(type_name).get("url")
    return None if parameter is None or parameter.type != "uri" else parameter.id


@cache
def has_identifiers(type_name: str, parameter: SearchParameter) -> bool:
    """Whether a token parameter has values that are identifiers."""
    return any(branch.type == "Identifier" for branch in compile_branches(parameter.expression, type_name))


@cache
def has_codes(type_name: str, parameter: SearchParameter) -> bool:
    """Whether a token parameter has values that are codes of code systems."""
    return any(branch.type in CODED for branch in compile_branches(parameter.expression, type_name))
