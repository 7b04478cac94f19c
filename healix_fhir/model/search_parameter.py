"""What a search parameter is: R4's own and those that clients define.

Spec: FHIR R4, hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from typing import NamedTuple


class Component(NamedTuple):
    """One part of a composite parameter; `expression` starts at the value of the composite's own expression."""

    code: str
    type: str
    expression: str


class SearchParameter(NamedTuple):
    """A search parameter of one resource type. `id` is fixed and unique for (type, code).

    `expression` is FHIRPath and begins with the type's name; `targets` are the types a reference may have; `url` is its
    definition.
    """

    id: int
    code: str
    type: str
    expression: str
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    url: str = ""


class Defined(NamedTuple):
    """A parameter as a SearchParameter resource defines it for one of its bases; its id is yet to be given (0)."""

    base: str
    parameter: SearchParameter
