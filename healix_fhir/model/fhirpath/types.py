"""What a type is a kind of, and what type a reference points to.

Spec: FHIR R4, hl7.org/fhir/R4/types.html; FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/#types
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from healix_fhir.model.definitions import TYPE_ID

KIND_OF = {
    "code": "string", "id": "string", "markdown": "string",
    "canonical": "uri", "oid": "uri", "url": "uri", "uuid": "uri",
    "positiveInt": "integer", "unsignedInt": "integer",
    "Age": "Quantity", "Count": "Quantity", "Distance": "Quantity", "Duration": "Quantity",
}  # fmt: skip
"""The data types that specialise another one, with that one."""

NOT_DOMAIN = frozenset({"Binary", "Bundle", "Parameters"})
"""Resource types that are no DomainResource."""

ABSTRACT = frozenset({"Resource", "DomainResource"})

BACKBONES = frozenset({"Dosage", "ElementDefinition", "Timing"})
"""Data types that are a BackboneElement."""

LITERAL_REFERENCE = re.compile(
    r"(?:(?P<base>https?://[^\s|?#]*)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
"""A RESTful reference, relative or absolute. Spec: FHIR R4, hl7.org/fhir/R4/references.html#literal"""


def is_kind_of(type_name: str, wanted: str) -> bool:
    """Whether `type_name` is `wanted` or a specialisation of it."""
    if wanted == "Resource":
        return type_name in TYPE_ID or type_name in ABSTRACT
    if wanted == "DomainResource":
        return type_name == wanted or (type_name in TYPE_ID and type_name not in NOT_DOMAIN)
    if wanted == "Element":
        return type_name not in TYPE_ID and type_name not in ABSTRACT
    if wanted == "BackboneElement":
        return type_name == wanted or type_name in BACKBONES
    return type_name == wanted or KIND_OF.get(type_name) == wanted


def target_type(reference: Mapping[str, Any]) -> str | None:
    """The resource type that a Reference points to: by its literal reference, else by `type`; None when unknown."""
    literal = reference.get("reference")
    if literal is not None:
        match = LITERAL_REFERENCE.fullmatch(literal)
        if match is not None and match["type"] in TYPE_ID:
            return match["type"]
    named = reference.get("type")
    return named if named in TYPE_ID else None
