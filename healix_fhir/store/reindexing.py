"""Runs that write the search index anew: the resources that each has yet to take, and what it has done.

A run goes through the resources that exist when it begins, in the order of their keys, in batches of which each commits
by itself. Its place is in its row, so that it goes on after a kill; what is written meanwhile is indexed by its writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Identity, Integer, SmallInteger, Table, Text, text

from healix_fhir.kernel.arrays import bytea, int2, int4, int8, timestamptz_or_infinity
from healix_fhir.kernel.database import Statement, Work, metadata
from healix_fhir.model.definitions import TYPE_NAME
from healix_fhir.store import contained_part, index_parts, several_part
from healix_fhir.store.index import IndexRows
from healix_fhir.store.index_parts import Part

WAITING, RUNNING, FINISHED, CANCELLED = "waiting", "running", "finished", "cancelled"
UNDER_WAY = (WAITING, RUNNING)
TASK = "search.reindex"

reindexing = Table(
    "reindexing",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),  # of the index that it writes
    Column("last_pk", BigInteger, nullable=False, server_default=text("0")),
    Column("ceiling", BigInteger, nullable=False),  # the last resource that it takes
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("total", BigInteger, nullable=False),
    Column("requested", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("ended", DateTime(timezone=True)),
    Column("types", ARRAY(SmallInteger)),  # of the resources that it takes; null for all
    Column("generation", BigInteger, nullable=False, server_default=text("0")),  # of the parameters it indexes by
    Column("settled", DateTime(timezone=True)),  # see store/settling
    Column("barrier", BigInteger),  # likewise
    comment="runs that write the search index of all resources anew",
)

_ALONE = "SELECT pg_advisory_xact_lock(hashtext('reindexing'))"
_FIELDS = "id, state, done, total, requested, ended"


class Run(msgspec.Struct, frozen=True):
    """A run as it stands; `total` is how many resources there were when it began."""

    id: int
    state: str
    done: int
    total: int
    requested: datetime
    ended: datetime | None

    @property
    def under_way(self) -> bool:
        """Whether it has work to do."""
        return self.state in UNDER_WAY


class Place(msgspec.Struct, frozen=True):
    """Where a run goes on, its row locked."""

    run: Run
    last_pk: int
    ceiling: int
    types: list[int] | None


class Current(msgspec.Struct, frozen=True):
    """A resource to index, locked."""

    pk: int
    type: int
    body: bytes


def begin(version: int) -> Work[Run]:
    """A new run over all resources, or the one that is under way."""
    yield Statement(_ALONE)
    rows = yield Statement(
        f"SELECT {_FIELDS} FROM reindexing WHERE types IS NULL AND state = ANY(%s)", (list(UNDER_WAY),)
    )
    if not rows:
        rows = yield Statement(
            f"""INSERT INTO reindexing (state, version, ceiling, total, generation)
                SELECT %s, %s, (SELECT last_value FROM resource_pk), (SELECT count(*) FROM resource WHERE NOT deleted),
                  (SELECT coalesce(max(number), 0) FROM parameter_generation)
                RETURNING {_FIELDS}""",
            (WAITING, version),
        )
    return Run(*rows[0])


def begin_types(types: Sequence[int], generation: int) -> Work[Run]:
    """A run over the resources of these types too, by the parameters of a generation: one that waits, or a new one."""
    yield Statement(_ALONE)
    rows = yield Statement(
        f"""UPDATE reindexing SET generation = %s, settled = NULL, barrier = NULL,
              types = (SELECT array_agg(DISTINCT t) FROM unnest(types || %s::smallint[]) t WHERE types IS NOT NULL)
            WHERE state = %s RETURNING {_FIELDS}""",
        (generation, int2(types), WAITING),
    )
    if not rows:
        rows = yield Statement(
            f"""INSERT INTO reindexing (state, version, ceiling, total, types, generation)
                VALUES (%s, 0, 0, 0, %s::smallint[], %s) RETURNING {_FIELDS}""",
            (WAITING, int2(types), generation),
        )
    return Run(*rows[0])


def find(id_: int) -> Work[Run | None]:
    """The run with this id."""
    rows = yield Statement(f"SELECT {_FIELDS} FROM reindexing WHERE id = %s", (id_,))
    return Run(*rows[0]) if rows else None


def cancel(id_: int) -> Work[Run | None]:
    """End a run after the batch that it is at; None where none is under way with this id."""
    rows = yield Statement(
        f"UPDATE reindexing SET state = %s, ended = now() WHERE id = %s AND state = ANY(%s) RETURNING {_FIELDS}",
        (CANCELLED, id_, list(UNDER_WAY)),
    )
    return Run(*rows[0]) if rows else None


def place(id_: int) -> Work[Place | None]:
    """Where the run goes on, its row locked until the transaction ends."""
    rows = yield Statement(
        f"SELECT {_FIELDS}, last_pk, ceiling, types FROM reindexing WHERE id = %s FOR UPDATE", (id_,)
    )
    return Place(Run(*rows[0][:6]), *rows[0][6:]) if rows else None


_TAKES = """(%s::smallint[] IS NULL OR {one}.type = ANY(%s::smallint[]) OR {one}.pk IN (
                          SELECT c.container FROM index_contained c WHERE c.type = ANY(%s::smallint[])))"""
"""Whether a run takes a resource: it is of one of the types, or contains one that is."""


def _taken(here: Place) -> tuple[list[int] | None, ...]:
    return here.types, here.types, here.types


def set_out(here: Place) -> Work[Place]:
    """Let a waiting run take every resource that there is now."""
    yield Statement(
        f"""UPDATE reindexing SET state = %s, ceiling = (SELECT last_value FROM resource_pk),
             total = (SELECT count(*) FROM resource r
                      WHERE NOT r.deleted AND {_TAKES.format(one="r")})
           WHERE id = %s""",
        (RUNNING, *_taken(here), here.run.id),
    )
    found = yield from place(here.run.id)
    assert found is not None
    return found


def following(here: Place, most: int) -> Work[tuple[list[Current], int | None]]:
    """The next resources, locked in the order in which writers lock, and the key of the last (None: there are none)."""
    rows = yield Statement(
        f"""SELECT r.pk, r.type, r.body, max(r.pk) OVER () FROM (
             SELECT r.pk, r.type, r.id, CASE WHEN r.deleted THEN NULL ELSE r.body END AS body FROM resource r
             WHERE r.pk IN (SELECT n.pk FROM resource n
                            WHERE n.pk > %s AND n.pk <= %s AND {_TAKES.format(one="n")}
                            ORDER BY n.pk LIMIT %s)
             ORDER BY r.type, r.id FOR UPDATE) r""",
        (here.last_pk, here.ceiling, *_taken(here), most),
    )
    return [Current(pk, type_, body) for pk, type_, body, _ in rows if body is not None], rows[0][3] if rows else None


def rewrite(found: Sequence[Current], indexes: Sequence[IndexRows], patients: Sequence[Sequence[int]]) -> Work[None]:
    """Replace the index rows of resources; `patients` are the keys of their compartments, the main one first."""
    pks = [one.pk for one in found]
    several = several_part.of_several((TYPE_NAME[one.type], keys) for one, keys in zip(found, patients, strict=True))
    yield Statement(
        f"WITH {index_parts.CLEAR.lstrip()} x AS (DELETE FROM compartment WHERE pk = ANY(%(pks)s::bigint[])) SELECT 1",
        {"pks": pks},
        prepare=False,
    )
    inside = contained_part.held(indexes)
    every = [*indexes, *(one.inner.rows for one in inside)]
    parts = index_parts.needed(every)
    given = [
        *((keys[0] if keys else 0, index.d, index.d_hi) for keys, index in zip(patients, indexes, strict=True)),
        *contained_part.given(inside, patients),
    ]
    params = (
        int8([*pks, *(None for _ in inside)]),
        int8(pat for pat, _, _ in given),
        timestamptz_or_infinity(d for _, d, _ in given),
        timestamptz_or_infinity(d_hi for _, _, d_hi in given),
        *_params(indexes),
        *several_part.params(several, patients),
        *contained_part.params(inside),
        *index_parts.params(parts, every),
    )
    others = (several_part.INSERTION if several else "") + (contained_part.INSERTION if inside else "")
    yield Statement(_insertion(parts, others), params, prepare=False)


def _insertion(parts: Sequence[Part], others: str) -> str:
    return f"""
WITH keys AS MATERIALIZED (
     SELECT array_agg(coalesce(k.pk, nextval('resource_pk')) ORDER BY k.n)
     FROM unnest(%s::bigint[]) WITH ORDINALITY AS k (pk, n)),
   given AS MATERIALIZED (SELECT %s::bigint[] AS pat, %s::timestamptz[] AS d, %s::timestamptz[] AS d_hi),
   updated AS (
     UPDATE resource r SET pat = nullif(x.pat, 0), d = nullif(x.d, 'infinity'), d_hi = nullif(x.d_hi, 'infinity'),
       present = x.present, toks = t.all_toks[x.first:x.last]
     FROM given g, (SELECT %s::bigint[] AS all_toks) t,
          unnest((TABLE keys), g.pat, g.d, g.d_hi, %s::bytea[], %s::int[], %s::int[])
            AS x (pk, pat, d, d_hi, present, first, last)
     WHERE r.pk = x.pk),{others}{index_parts.insertions(parts)}
   nothing AS (SELECT)
SELECT 1"""


def _params(indexes: Sequence[IndexRows]) -> tuple[object, ...]:
    toks: list[int] = []
    spans: list[tuple[int, int]] = []
    for index in indexes:
        first = len(toks) + 1
        toks.extend(index.toks)
        spans.append((first, len(toks)))
    return (
        int8(toks),
        bytea(index.present for index in indexes),
        int4(first for first, _ in spans),
        int4(last for _, last in spans),
    )


def advance(id_: int, last_pk: int, count: int) -> Work[Run]:
    """Note that a batch is done."""
    rows = yield Statement(
        f"UPDATE reindexing SET state = %s, last_pk = %s, done = done + %s WHERE id = %s RETURNING {_FIELDS}",
        (RUNNING, last_pk, count, id_),
    )
    return Run(*rows[0])


def finish(id_: int) -> Work[Run]:
    """Note that all is done."""
    rows = yield Statement(
        f"UPDATE reindexing SET state = %s, ended = now() WHERE id = %s RETURNING {_FIELDS}", (FINISHED, id_)
    )
    return Run(*rows[0])


def indexed_version() -> Work[int]:
    """The version of the index in which a run has written all that there was at its time, or in which nothing was."""
    rows = yield Statement(
        "SELECT coalesce(max(version), 0) FROM reindexing WHERE types IS NULL AND state = %s", (FINISHED,)
    )
    return int(rows[0][0])
