"""Which search parameters have index rows.

Spec: FHIR R4, hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

from healix_fhir.model.definitions import SearchParameter

TYPES = frozenset({"composite", "date", "number", "quantity", "reference", "special", "string", "token", "uri"})
"""Parameter types that are indexed: all that R4 has."""

COLUMNS = frozenset({"_id", "_lastUpdated"})
"""Parameters that are columns of every resource's row."""


def is_indexed(parameter: SearchParameter) -> bool:
    """Whether a search by `parameter` finds its index rows (or its column)."""
    return parameter.type in TYPES
