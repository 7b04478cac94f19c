"""Uri parameters: the whole uri, compared literally.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#uri
"""

from __future__ import annotations

from typing import Any

from healix_fhir.search import tokens
from healix_fhir.search.params.collector import Collector, Emit

TYPES = frozenset({"canonical", "oid", "uri", "url", "uuid"})


def emitter(param_id: int, fhir_type: str) -> Emit | None:
    """What adds uris; None for a type that is no uri."""
    if fhir_type not in TYPES:
        return None

    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            rows.toks.append(tokens.uri(param_id, value))

    return emit
