"""Indexing further attributes of what was stored before the setting named them: a durable job, batch by batch.

`declare` compares the setting with what is indexed, when a job worker starts; `batch` goes on where the last one ended,
each in a transaction of its own, so that a job that was cut off is taken up again. Who stores meanwhile indexes what it
stores. What an object's first instance says of its study and series counts, as in the index itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import zstandard
from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.index.attributes import Attribute, Level
from dicomweb.index.further import Catalogue, values
from dicomweb.index.further_tables import VALUES
from dicomweb.study.listed import METADATA
from healix_fhir.kernel.database import Row, Statement, Work, transaction
from healix_fhir.kernel.jobs import enqueue

TASK = "studies.index"
STUDY_TASK = "study.index"
LOCK = "studies.index"
BATCH = 500

_DECLARE = """
WITH wanted AS (
       SELECT * FROM json_to_recordset(%s::json) AS x (code int, level smallint, name text, vr text)),
     gone AS (
       DELETE FROM further_attribute a WHERE NOT EXISTS (SELECT FROM wanted w WHERE w.code = a.code) RETURNING a.code),
     new AS (
       INSERT INTO further_attribute (code, level, name, vr) SELECT code, level, name, vr FROM wanted ORDER BY code
       ON CONFLICT (code) DO NOTHING RETURNING code)
SELECT (SELECT array_agg(code) FROM gone), EXISTS (SELECT FROM new)
       OR EXISTS (SELECT FROM further_attribute a JOIN wanted w USING (code) WHERE NOT a.whole)"""


def declare(catalogue: Catalogue) -> Work[bool]:
    """Begin to index what the setting names and is not indexed, and forget what it names no more.

    Whether there is something to index; then a job is enqueued with the caller's transaction.
    """
    wanted = [
        {"code": one.code, "level": one.level, "name": one.keyword, "vr": one.vr} for one in catalogue.further.values()
    ]
    rows = yield Statement(_DECLARE, (msgspec.json.encode(wanted).decode(),))
    gone, unfinished = rows[0]
    for table in VALUES.values() if gone else ():
        yield Statement(f"DELETE FROM {table.name} WHERE code = ANY(%s)", (gone,))
    if unfinished:
        yield enqueue(TASK, lock=LOCK)
    return bool(unfinished)


def indexed(pool: ConnectionPool[Connection[Row]], catalogue: Catalogue) -> Iterator[int]:
    """Index all that is left, in transactions of their own; how many entities each took."""
    for level in Level:
        done: int | None = 0
        while done is not None:
            done = transaction(pool, lambda level=level: batch(catalogue, level))  # type: ignore[misc]
            if done is not None:
                yield done


def batch(catalogue: Catalogue, level: Level) -> Work[int | None]:
    """Index the next entities of a level, and how many there were; None when all are."""
    rows = yield Statement(
        "SELECT code, last_pk FROM further_attribute WHERE level = %s AND NOT whole ORDER BY code FOR UPDATE", (level,)
    )
    known = {attribute.code: attribute for attribute in catalogue.further.values()}
    left = {code: last for code, last in rows if code in known}
    if not left:
        return None
    wanted = [known[code] for code in left]
    found = yield Statement(_next(level, "p.pk > %s"), (min(left.values()), BATCH))
    if not found:
        yield Statement("UPDATE further_attribute SET whole = true WHERE code = ANY(%s)", (list(left),))
        return None
    yield _insertion(level, _values(found, wanted))
    yield Statement("UPDATE further_attribute SET last_pk = %s WHERE code = ANY(%s)", (found[-1][0], list(left)))
    return len(found)


def index_study(catalogue: Catalogue, study: str) -> Work[None]:
    """Index what is not indexed of one study: after something of it was brought back."""
    wanted = list(catalogue.further.values())
    for level in Level:
        found = yield Statement(_next(level, _OF_STUDY[level]), (study, None))
        if wanted and found:
            yield _insertion(level, _values(found, wanted))


_OF_STUDY = {
    Level.STUDY: "p.study_uid = %s",
    Level.SERIES: "p.study_pk = (SELECT s.pk FROM study s WHERE s.study_uid = %s)",
    Level.INSTANCE: """p.series_pk IN (SELECT e.pk FROM series e JOIN study s ON s.pk = e.study_pk
      WHERE s.study_uid = %s)""",
}


def _next(level: Level, which: str) -> str:
    """The query for keys of entities and the metadata of the first object of each."""
    return f"SELECT p.pk, {METADATA[level]} FROM {level.name.lower()} p WHERE {which} ORDER BY p.pk LIMIT %s"


def _values(found: list[Row], wanted: list[Attribute]) -> list[dict[str, Any]]:
    decompress = zstandard.ZstdDecompressor().decompress
    catalogue = Catalogue({attribute.keyword: attribute for attribute in wanted})
    return [
        value._asdict() | {"pk": pk}
        for pk, metadata in found
        if metadata is not None
        for value in values(catalogue, decompress(metadata))
    ]


def _insertion(level: Level, given: list[dict[str, Any]]) -> Statement:
    """Writes values of one level; those that are there stay, and what went meanwhile gets none."""
    name = level.name.lower()
    return Statement(
        f"""INSERT INTO {name}_further (pk, code, item, place, value, number)
            SELECT p.pk, x.code, x.item, x.place, x.value, x.number
            FROM json_to_recordset(%s::json)
              AS x (pk bigint, level int, code int, item text, place int, value text, number float8)
            JOIN {name} p ON p.pk = x.pk WHERE x.level = {level:d}
            ON CONFLICT DO NOTHING""",
        (msgspec.json.encode(given).decode(),),
    )
