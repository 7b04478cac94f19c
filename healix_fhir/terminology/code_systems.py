"""The code systems of R4's required bindings: which system a bare `code` belongs to.

An element of type `code` carries no system; it follows from the value set that the element is bound to.

Spec: FHIR R4, hl7.org/fhir/R4/terminologies.html#code, hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from healix_fhir.model.elements import required_codes


@cache
def implied_systems(value_set: str) -> Mapping[str, str]:
    """The system of each code of a required binding; empty where the codes cannot be listed (MIME types, UCUM)."""
    listed = required_codes(value_set) if value_set else None
    return MappingProxyType({code: system for system, codes in (listed or {}).items() for code in codes})
