"""The statements that write versions: one for new resources, one more where versions are replaced.

All values travel as arrays, so that the number of statements does not depend on how many resources are written.
Surrogate keys are drawn inside the statement; index rows name theirs by position in the array of keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

import msgspec

from healix_fhir.kernel import audit, outbox
from healix_fhir.kernel.arrays import Array, bytea, int2, int4, int8, text, timestamptz, timestamptz_or_infinity
from healix_fhir.kernel.audit import AuditRow
from healix_fhir.kernel.database import Statement
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.store import contained_part, index_parts, several_part
from healix_fhir.store.body import pack
from healix_fhir.store.decide import New
from healix_fhir.store.stored import Change

SMALL = 16  # up to here one prepared plan serves; above, planning for the actual sizes costs nothing beside the work


class Row(msgspec.Struct, frozen=True):
    """A version to write with its index rows; `patients`: the keys of its compartments, the main one first.

    `by` is the captured access of who wrote it, for types that act later in the name of their writer. `request` is the
    id of the request that writes it.
    """

    change: Change
    new: New
    patients: tuple[int, ...]
    by: dict[str, str | None] | None = None
    request: str | None = None


# `deleted` rows keep compartment and method, so that their callers still see that they are gone.
_RESOURCE = """
     INSERT INTO resource (pk, type, id, version, updated, pat, d, d_hi, deleted, method, present, toks, body)
     SELECT (TABLE keys)[x.n], x.type, x.id, x.version, x.updated, nullif(x.pat, 0), nullif(x.d, 'infinity'),
            nullif(x.d_hi, 'infinity'), x.method = 'DELETE', x.method, x.present, t.all_toks[x.first:x.last],
            x.body
     FROM given g, (SELECT %s::bigint[] AS all_toks) t,
          unnest(%s::smallint[], %s::text[], %s::int[], %s::timestamptz[], g.pat, g.d, g.d_hi, %s::text[], %s::bytea[],
                 %s::int[], %s::int[], %s::bytea[]) WITH ORDINALITY
            AS x (type, id, version, updated, pat, d, d_hi, method, present, first, last, body, n)
     WHERE x.type IS NOT NULL"""  # contained resources follow in `given`

_REPLACE = """
     ON CONFLICT (pk) DO UPDATE SET version = excluded.version, updated = excluded.updated, pat = excluded.pat,
       d = excluded.d, d_hi = excluded.d_hi, deleted = excluded.deleted, method = excluded.method,
       present = excluded.present, toks = excluded.toks, body = excluded.body"""

_TEMPLATE = f"""
WITH keys AS MATERIALIZED (
     SELECT array_agg(coalesce(k.pk, nextval('resource_pk')) ORDER BY k.n)
     FROM unnest(%s::bigint[]) WITH ORDINALITY AS k (pk, n)),
   given AS MATERIALIZED (SELECT %s::bigint[] AS pat, %s::timestamptz[] AS d, %s::timestamptz[] AS d_hi),
   resources AS ({_RESOURCE}{{replace}}),{{index}}
   audited AS ({audit.INSERT_CHANGES}),
   published AS ({outbox.insert_of("resource")})
SELECT 1"""


@cache
def _statement(replace: str, parts: tuple[index_parts.Part, ...], others: str) -> str:
    return _TEMPLATE.format(replace=replace, index=others + index_parts.insertions(parts))


_CLEAR = f"""
WITH histories AS (
     INSERT INTO resource_history (type, id, version, updated, until, pk, pat, deleted, method, body)
     SELECT r.type, r.id, r.version, r.updated, x.until, r.pk, r.pat, r.deleted, r.method, x.body
     FROM unnest(%(pks)s::bigint[], %(untils)s::timestamptz[], %(bodies)s::bytea[]) AS x (pk, until, body)
     JOIN resource r ON r.pk = x.pk),{index_parts.CLEAR}
   compartments AS (DELETE FROM compartment WHERE pk = ANY(%(pks)s::bigint[]))
SELECT 1"""


_GIVEN = (int8, timestamptz_or_infinity, timestamptz_or_infinity)
_VERSION = (int2, text, int4, timestamptz, text, bytea, int4, int4, bytea)


def clear(rows: Sequence[Row]) -> Statement:
    """Move the versions that `rows` replace to the history and take their index rows out."""
    replaced = [(row.new.old, row.new.stored.updated) for row in rows if row.new.old is not None]
    params = {
        "pks": [old.pk for old, _ in replaced],
        "untils": timestamptz(until for _, until in replaced),
        "bodies": [pack(old.body) for old, _ in replaced],
    }
    return Statement(_CLEAR, params, False)


def write(rows: Sequence[Row], audits: Sequence[AuditRow]) -> Statement:
    """Write the versions `rows` with their index rows, audit rows and events.

    The job worker is not notified: transactions that notify commit one after the other, each holding a lock while it
    waits for the disk. It looks for events by itself every `server.worker.IDLE` seconds.
    """
    replace = _REPLACE if any(row.new.old is not None for row in rows) else ""
    indexes = [row.change.rows for row in rows]
    inside = contained_part.held(indexes)
    indexes += [one.inner.rows for one in inside]
    parts = index_parts.needed(indexes)
    several = of_several(rows)
    given = [_given(row) for row in rows] + contained_part.given(inside, [row.patients for row in rows])
    params = (
        int8([*(row.new.old.pk if row.new.old else None for row in rows), *(None for _ in inside)]),
        *_columns(given, _GIVEN),
        *_resource_params(rows),
        *several_part.params(several, [row.patients for row in rows]),
        *contained_part.params(inside),
        *index_parts.params(parts, indexes),
        *audit.change_params(audits),
        bytea([_payload(row) for row in rows]),
    )
    others = (several_part.INSERTION if several else "") + (contained_part.INSERTION if inside else "")
    statement = _statement(replace, parts, others)
    return Statement(statement, params, None if len(rows) <= SMALL else False)


def of_several(rows: Sequence[Row]) -> list[str]:
    """The types of those rows that have several patients."""
    return several_part.of_several((row.change.type, row.patients) for row in rows)


def _given(row: Row) -> tuple[int, datetime | None, datetime | None]:
    return row.patients[0] if row.patients else 0, row.change.rows.d, row.change.rows.d_hi


def _resource_params(rows: Sequence[Row]) -> list[Array]:
    toks: list[int] = []
    columns = []
    for row in rows:
        stored, index = row.new.stored, row.change.rows
        first = len(toks) + 1
        toks.extend(index.toks)
        columns.append(
            (TYPE_ID[stored.type], stored.id, stored.version, stored.updated, str(row.change.method), index.present,
             first, len(toks), stored.body)
        )  # fmt: skip
    return [int8(toks), *_columns(columns, _VERSION)]


def _columns(rows: Iterable[tuple[Any, ...]], kinds: Sequence[Callable[[Iterable[Any]], Array]]) -> list[Array]:
    """Rows as columns of the given kinds, for unnest."""
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    return [kind(column) for kind, column in zip(kinds, columns, strict=True)]


def _payload(row: Row) -> bytes:
    """The event of a version, for the consumers of `resource`."""
    stored = row.new.stored
    told: dict[str, Any] = {
        "type": stored.type, "id": stored.id, "version": stored.version, "method": row.change.method,
    }  # fmt: skip
    if row.by is not None:
        told["by"] = row.by
    if row.request is not None:
        told["request"] = row.request
    return msgspec.json.encode(told)


def keys_of(ids: Sequence[str], keys: Mapping[str, int]) -> tuple[int, ...]:
    """The keys of patients in order, each once."""
    if len(ids) == 1:
        return (keys[ids[0]],)
    return tuple(dict.fromkeys([keys[id_] for id_ in ids]))
