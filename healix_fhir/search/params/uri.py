"""Uri parameters: the whole uri, compared literally, and the places that a URL lies below, segment by segment.

A canonical URL with a version is also found without it.

Spec: FHIR R4, hl7.org/fhir/R4/search.html#uri, hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from healix_fhir.search import tokens
from healix_fhir.search.params.collector import Collector, Emit

SEGMENTS = 32
"""So many segments of a URL are kept: far more than any has that is not made to exhaust us."""

TYPES = frozenset({"canonical", "oid", "uri", "url", "uuid"})


def emitter(param_id: int, fhir_type: str) -> Emit | None:
    """What adds uris; None for a type that is no uri."""
    if fhir_type not in TYPES:
        return None

    def emit(items: list[Any], rows: Collector) -> None:
        for value in items:
            rows.toks += keys(param_id, value)

    return emit


@lru_cache(maxsize=8192)
def keys(param_id: int, value: str) -> tuple[int, ...]:
    """The hashes under which a uri is found."""
    plain = value.partition("|")[0]
    whole = (
        [tokens.uri(param_id, value)] if plain == value else [tokens.uri(param_id, value), tokens.uri(param_id, plain)]
    )
    return (*whole, *(tokens.below(param_id, place) for place in places(plain)))


def places(url: str) -> list[str]:
    """A URL itself without a slash at its end, and what it lies below, from the top; nothing for a URN."""
    scheme, found, rest = url.partition("://")
    if not found:
        return []
    segments = rest.rstrip("/").split("/")[:SEGMENTS]
    return [f"{scheme}://{'/'.join(segments[:n])}" for n in range(1, len(segments) + 1)]
