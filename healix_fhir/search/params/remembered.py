"""Rows of codes that were met before: the same few concepts stand in most resources of a hospital.

The rows of a code depend on nothing but its own content, so that its JSON is the key under which they are kept. Writing
that JSON takes a fifth of a microsecond, finding the rows anew several.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from healix_fhir.model.json import decode_array, encode
from healix_fhir.search.params.collector import Collector, Emit

TYPES = frozenset({"CodeableConcept", "Coding", "code"})
"""The FHIR types whose tokens are worth it. Values of others, as identifiers, are seldom met twice."""

KEPT = 8192
LARGEST = 2048
"""Bytes up to which values are kept, so that what is kept has a bound."""

Known: TypeAlias = Callable[[list[Any]], Collector]
"""Gives the rows of some values of `TYPES`. They are shared, hence to be read only."""


def remembered(emit: Emit) -> Known:
    """What gives the rows that `emit` adds."""

    def known(items: list[Any]) -> Collector:
        written = encode(items)
        return _kept(emit, written) if len(written) <= LARGEST else _made(emit, items)

    return known


@lru_cache(maxsize=KEPT)
def _kept(emit: Emit, written: bytes) -> Collector:
    return _made(emit, decode_array(written))


def _made(emit: Emit, items: list[Any]) -> Collector:
    rows = Collector(())
    emit(items, rows)
    return rows
