"""Which search parameters have index rows, and which do not yet, by name.

Spec: FHIR R4, hl7.org/fhir/R4/searchparameter-registry.html
"""

from __future__ import annotations

from healix_fhir.model.definitions import SearchParameter

TYPES = frozenset({"composite", "date", "number", "quantity", "reference", "string", "token", "uri"})
"""Parameter types that are indexed; special ones are not."""

COLUMNS = frozenset({"_id", "_lastUpdated"})
"""Parameters that are columns of every resource's row."""

NOT_INDEXED = frozenset({"phonetic"})
"""Parameters of an indexed type that have no rows: matching by sound is no prefix of a name."""


def is_indexed(parameter: SearchParameter) -> bool:
    """Whether a search by `parameter` finds its index rows (or its column)."""
    return parameter.type in TYPES and parameter.code not in NOT_INDEXED
