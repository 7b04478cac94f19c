"""The element tables as XML sees them: which children an element has, in which order, and which are attributes.

Spec: FHIR R4, hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.elements import elements, json_properties

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"


class Slot(NamedTuple):
    """Where one property of a structure stands. `position` orders its siblings; the types of a choice share one.

    `key` names it in JSON and XML, `name` in FHIRPath; `structure` is the structure of its value.
    """

    position: int
    key: str
    name: str
    structure: str
    repeats: bool
    attribute: bool


@cache
def slots(structure: str) -> Mapping[str, Slot]:
    """The properties that an object of `structure` may have, by key.

    Attributes are the ids of elements (a resource's id is an element) and the URLs of extensions.
    """
    attributes = {"id"} if structure not in TYPE_ID else set()
    if structure == "Extension":
        attributes.add("url")
    return MappingProxyType(
        {
            child.key: Slot(
                position, child.key, element.name, child.structure, child.repeats, element.name in attributes
            )
            for position, element in enumerate(elements(structure).values())
            if element.max != 0
            for child in json_properties(element)
        }
    )
