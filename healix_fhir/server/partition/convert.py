"""Divide the large tables of a database into hash partitions, in steps; cut off, it goes on where it was.

Each step is a transaction that notes that it is done: the twins are made; rows are copied, so many pages at a time; the
indexes are made; each twin is compared with its table; the twins take the places of the tables, which are only then
dropped. From the first step to the last nobody writes to the tables (triggers refuse it) and no server starts.

Spec: PostgreSQL 18, 5.12 Table Partitioning
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from psycopg import Connection

from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import Category, HealixError, invalid
from healix_fhir.server import migrate
from healix_fhir.server.partition.parts import (
    DIVIDED,
    SCHEMA,
    Divided,
    given_up,
    indexes,
    places,
    twins,
)

LOCK = 0x5061727473  # "Parts"
PAGES = 32_768
"""Pages that are copied in one step: 256 MB."""
WORDS = "index_words"
MEMORY = "512MB"
"""What the making of one index takes, unless the database is set to more."""
_PARTS_OF_INDEX = """
SELECT h.inhrelid::regclass::text, substring(t.relname FROM '\\d+$')
FROM pg_inherits h JOIN pg_index i ON i.indexrelid = h.inhrelid JOIN pg_class t ON t.oid = i.indrelid
WHERE h.inhparent = %s::regclass"""
"""Each part of an index, and the number of the part of the table: plans then name parts by the index."""


class Step(msgspec.Struct, frozen=True):
    """What has been done: a word for it, and how many pages (of `total`) are copied."""

    what: str
    pages: int
    total: int


class Result(msgspec.Struct, frozen=True):
    """How many parts each table has, and the rows of each table."""

    parts: int
    rows: dict[str, int]


def divided(connection: Connection[Row]) -> int:
    """How many parts the tables have; 0 where they are whole."""
    row = connection.execute(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.resource'::regclass"
    ).fetchone()
    assert row is not None
    return int(row[0])


def prepare(connection: Connection[Row], parts: int) -> None:
    """Make the twins, unless they are there already.

    Raises Invalid when the tables are divided already, another command does so or did it into another number of parts,
    when a server works with the database, or when its schema is not this version's.
    """
    if not _one(connection, f"SELECT pg_try_advisory_lock({LOCK})"):
        raise invalid("another `healix partition` is at work")
    _refuse_others(connection)
    if migrate.current(connection) != migrate.head():
        raise invalid("the schema is not that of this version of Healix: `healix partition --abandon`, and begin again")
    if there := divided(connection):
        raise invalid(f"the tables have {there} parts already")
    if under_way(connection):
        begun = _one(connection, f"SELECT max(parts) FROM {SCHEMA}.progress")
        if begun != parts:
            raise invalid(f"it was begun with {begun} parts: go on with as many, or give it up with --abandon")
        return
    with connection.transaction():
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute(
            f"""CREATE TABLE {migrate.PARTITIONING} (
                  name text PRIMARY KEY, parts int NOT NULL, pages bigint NOT NULL, total bigint NOT NULL,
                  equal boolean NOT NULL DEFAULT false)"""
        )
        for statement in twins(parts):
            connection.execute(statement.encode())
        for table in DIVIDED:  # after the triggers, so that no page is added any more
            connection.execute(
                f"""INSERT INTO {migrate.PARTITIONING} (name, parts, pages, total) VALUES (%s, %s, 0,
                      pg_relation_size(%s::regclass) / current_setting('block_size')::bigint)""".encode(),
                (table.name, parts, f"public.{table.source}"),
            )


def under_way(connection: Connection[Row]) -> bool:
    """Whether it was begun and is not done."""
    return bool(_one(connection, f"SELECT to_regclass('{migrate.PARTITIONING}') IS NOT NULL"))


def abandon(connection: Connection[Row]) -> None:
    """Take away what was begun: the tables are as they were. Raises Invalid when nothing was."""
    if not under_way(connection):
        raise invalid("nothing is under way")
    with connection.transaction():
        for statement in given_up():
            connection.execute(statement.encode())


def convert(connection: Connection[Row], *, pages: int = PAGES) -> Iterator[Step]:
    """All that is left to do after `prepare`, telling each step when it is done.

    Raises Fault when a twin has not the rows of its table; the tables are then as they were.
    """
    connection.execute("SET statement_timeout = 0")
    connection.execute(
        "SELECT set_config('maintenance_work_mem', greatest(pg_size_bytes(current_setting('maintenance_work_mem')),"
        " pg_size_bytes(%s))::bigint / 1024 || 'kB', false)",
        (MEMORY,),
    )
    for table in DIVIDED:
        yield from _copied(connection, table, pages)
    for table in DIVIDED:
        for name, statement in indexes(connection, table):
            if not _one(connection, f"SELECT to_regclass('{SCHEMA}.{name}') IS NOT NULL"):
                with connection.transaction():
                    connection.execute(statement.encode())
                    for part, number in connection.execute(_PARTS_OF_INDEX, (f"{SCHEMA}.{name}",)).fetchall():
                        connection.execute(f"ALTER INDEX {part} RENAME TO {name}_{number}".encode())
            yield _step(connection, f"index {name}")
        connection.execute(f"VACUUM (ANALYZE) {SCHEMA}.{table.name}".encode())
        yield _step(connection, f"statistics of {table.name}")
    for table in DIVIDED:
        _compare(connection, table)
        yield _step(connection, f"comparison of {table.name}")
    last = _step(connection, "switch")
    with connection.transaction():
        for statement in places(connection, _one(connection, f"SELECT max(parts) FROM {migrate.PARTITIONING}")):
            connection.execute(statement.encode())
    yield last


def result(connection: Connection[Row]) -> Result:
    """What there is after `convert`."""
    counted = {
        table.name: int(_one(connection, f"SELECT sum(reltuples) FROM pg_class WHERE oid IN (SELECT inhrelid"
                                         f" FROM pg_inherits WHERE inhparent = 'public.{table.name}'::regclass)"))
        for table in DIVIDED
    }  # fmt: skip
    return Result(divided(connection), counted)


def _copied(connection: Connection[Row], table: Divided, pages: int) -> Iterator[Step]:
    while True:
        row = connection.execute(
            f"SELECT pages, total FROM {migrate.PARTITIONING} WHERE name = %s".encode(), (table.name,)
        ).fetchone()
        assert row is not None
        first, total = row
        if first >= total:
            return
        following = min(first + pages, total)
        with connection.transaction():
            connection.execute(
                f"""INSERT INTO {SCHEMA}.{table.name} SELECT {table.columns} FROM public.{table.source}
                    WHERE ctid >= '({first},0)'::tid AND ctid < '({following},0)'::tid""".encode()
            )
            connection.execute(
                f"UPDATE {migrate.PARTITIONING} SET pages = %s WHERE name = %s".encode(), (following, table.name)
            )
        yield _step(connection, f"rows of {table.name}")


def _compare(connection: Connection[Row], table: Divided) -> None:
    """Compare a twin with its table: how many rows, and the sums of hashes of all that is in them.

    Of words, which PostgreSQL cannot hash, those of their keys.
    """
    if _one(connection, f"SELECT equal::int FROM {migrate.PARTITIONING} WHERE name = '{table.name}'"):
        return
    hashed = "t.pk" if table.name == WORDS else "t"
    function = "hashint8extended" if table.name == WORDS else "hash_record_extended"
    of = f"(SELECT {table.columns} FROM {{}}) t"
    rows = [
        connection.execute(f"SELECT count(*), sum({function}({hashed}, 0)) FROM {of.format(place)}".encode()).fetchone()
        for place in (f"public.{table.source}", f"{SCHEMA}.{table.name}")
    ]
    if rows[0] != rows[1]:
        raise HealixError(
            Category.FAULT, f"the parts of {table.name} have not the rows of the table, which stays as it is"
        )
    connection.execute(f"UPDATE {migrate.PARTITIONING} SET equal = true WHERE name = %s".encode(), (table.name,))


def _step(connection: Connection[Row], what: str) -> Step:
    row = connection.execute(f"SELECT sum(pages), sum(total) FROM {migrate.PARTITIONING}".encode()).fetchone()
    assert row is not None
    return Step(what, int(row[0]), int(row[1]))


def _refuse_others(connection: Connection[Row]) -> None:
    others = _one(
        connection,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'",
    )
    if others:
        raise invalid(f"the database is in use by {others} connections: stop the server first")


def _one(connection: Connection[Row], statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])
