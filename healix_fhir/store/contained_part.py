"""The contained resources of new versions: their part of the write statement, and their places among its resources.

They follow the resources themselves in the array of keys, so that their index rows are those of any other. Their keys
are drawn anew with each version.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from healix_fhir.kernel.arrays import Array, bytea, int2, int4, int8, text
from healix_fhir.store.index import ContainedRows, IndexRows

INSERTION = """
   contained AS (
     INSERT INTO index_contained (pk, container, type, id, pat, d, d_hi, present, toks, body)
     SELECT (TABLE keys)[x.n], (TABLE keys)[x.container], x.type, x.id, nullif(g.pat[x.n], 0),
            nullif(g.d[x.n], 'infinity'), nullif(g.d_hi[x.n], 'infinity'), x.present, t.all_toks[x.first:x.last], x.body
     FROM given g, (SELECT %s::bigint[] AS all_toks) t,
          unnest(%s::int[], %s::int[], %s::smallint[], %s::text[], %s::bytea[], %s::int[], %s::int[], %s::bytea[])
            AS x (n, container, type, id, present, first, last, body)),"""


class Held(NamedTuple):
    """A contained resource: its own position among the keys, and its container's."""

    position: int
    container: int
    inner: ContainedRows


def held(indexes: Sequence[IndexRows]) -> list[Held]:
    """What resources, in the order of their positions, contain."""
    found = [(container, inner) for container, index in enumerate(indexes, 1) for inner in index.contained]
    return [Held(position, *pair) for position, pair in enumerate(found, len(indexes) + 1)]


def given(
    inside: Sequence[Held], patients: Sequence[Sequence[int]]
) -> list[tuple[int, datetime | None, datetime | None]]:
    """Compartment (of the container, where `patients` has its keys) and date of each."""
    return [((patients[one.container - 1] or (0,))[0], one.inner.rows.d, one.inner.rows.d_hi) for one in inside]


def params(inside: Sequence[Held]) -> list[Array]:
    """The parameters of `INSERTION`; none where it is left out."""
    if not inside:
        return []
    toks: list[int] = []
    spans: list[tuple[int, int]] = []
    for one in inside:
        first = len(toks) + 1
        toks.extend(one.inner.rows.toks)
        spans.append((first, len(toks)))
    return [
        int8(toks),
        int4(one.position for one in inside),
        int4(one.container for one in inside),
        int2(one.inner.type for one in inside),
        text(one.inner.id for one in inside),
        bytea(one.inner.rows.present for one in inside),
        int4(first for first, _ in spans),
        int4(last for _, last in spans),
        bytea(one.inner.body for one in inside),
    ]
