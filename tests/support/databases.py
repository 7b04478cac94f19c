"""Databases for tests: emptied and given again, which takes a tenth of the time of making one anew."""

from __future__ import annotations

import itertools
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Self

import psycopg
from psycopg import Connection
from psycopg.errors import DuplicateDatabase, InvalidCatalogName, OperationalError

from healix_fhir.kernel.database import Row

TEMPLATE = "template_healix"
_names = (f"test_{number}" for number in itertools.count())
ATTEMPTS = 5
SMALL = 64 * 1024
"""Bytes of a table up to which its rows are deleted. A larger one is truncated, or one that has statistics: this is
slower, since all its indexes get new files.

PostgreSQL takes a table without statistics for ten pages at least, so what deleted rows leave changes no plan.
"""

_OWN = 16384
"""The least oid of what does not come with PostgreSQL."""

_CATALOGS = {
    "pg_attrdef": "adrelid",
    "pg_attribute": "attrelid",
    "pg_constraint": "oid",
    "pg_extension": "oid",
    "pg_index": "indexrelid",
    "pg_namespace": "oid",
    "pg_proc": "oid",
    "pg_rewrite": "oid",
    "pg_statistic": "starelid",
    "pg_statistic_ext": "oid",
    "pg_trigger": "oid",
    "pg_type": "oid",
}
"""By catalog, which of its columns is the oid of what a row is about."""

_RELATIONS = f"""
SELECT 'pg_class', count(*),
       md5(string_agg(concat_ws(' ', oid, relname, relkind = 'r' AND reltuples >= 0), ',' ORDER BY oid))
FROM pg_class WHERE oid >= {_OWN}"""
"""What of pg_class stays when a table is truncated: not the files and when the row was written."""

_SCHEMA = " UNION ALL ".join(
    f"SELECT '{catalog}', count(*), max(xmin::text::bigint)::text FROM {catalog} WHERE {oid} >= {_OWN}"
    for catalog, oid in _CATALOGS.items()
)
_TABLES = f"""
SELECT oid::regclass::text, (pg_stat_file(pg_relation_filepath(oid))).size, reltuples >= 0
FROM pg_class WHERE relkind = 'r' AND oid >= {_OWN}"""
"""Each table, how large it is, and whether there are statistics of it. Its file is asked for its size, since
`pg_relation_size` opens each table with its indexes.
"""
_UNKNOWN = f"DELETE FROM pg_statistic WHERE starelid >= {_OWN}"
_KEPT = "SELECT jsonb_agg(to_jsonb(t) ORDER BY t)::text FROM {} t"
_PUT_BACK = "INSERT INTO {0} OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_recordset(NULL::{0}, %s)"
_COUNTERS = "SELECT format('%I.%I', schemaname, sequencename), start_value, last_value FROM pg_sequences"
_COUNTED = "SELECT setval(%s::regclass, %s, %s)"
_LEFT = """
DO $$ BEGIN
  FOR look IN 1..5000 LOOP
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}';
    EXIT WHEN NOT FOUND;
    PERFORM pg_sleep(0.002), pg_stat_clear_snapshot();
  END LOOP;
END $$"""
"""Ends who is connected, and waits for it: PostgreSQL itself would look again after a tenth of a second only, which is
longer than all else takes that is done between two tests.
"""


class Databases:
    """The databases of one PostgreSQL, each like its template.

    Who was connected to a database during an earlier test is not any more, nor finds it under the name it had.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._administrator: Connection[Row] | None = None
        self._emptied: list[str] = []
        with self._connection(TEMPLATE) as template:
            filled = _filled(template, [table for table, *_ in template.execute(_TABLES)])
            self._rows = {table: template.execute(_KEPT.format(table)).fetchall() for table in filled}
            self._counters = template.execute(_COUNTERS).fetchall()
            self._schema = _schema(template)

    def __enter__(self) -> Self:
        """As it is."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the server go."""
        self._forget()

    @contextmanager
    def one(self) -> Iterator[str]:
        """The URL of a database, for as long as the block lasts."""
        name = self._emptied.pop() if self._emptied else self._made()
        yield self._url(name)
        name = self._left(name)
        if self._empty(name):
            self._emptied.append(name)
        else:
            self._administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _made(self) -> str:
        name = next(_names)
        self._administer(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    def _left(self, old: str) -> str:
        """The new name of a database that nobody is connected to."""
        name = next(_names)
        self._administer(_LEFT.format(old), f"ALTER DATABASE {old} RENAME TO {name}")
        return name

    def _empty(self, name: str) -> bool:
        """Empty a database; False if it is then not like the template."""
        try:
            with self._connection(name) as connection:
                tables = [row for row in connection.execute(_TABLES) if row[0] not in self._rows]
                truncated = [table for table, size, known in tables if known or size > SMALL]
                used = _filled(connection, [table for table, size, known in tables if not known and 0 < size <= SMALL])
                with connection.transaction():
                    connection.execute("SET LOCAL session_replication_role = replica")  # no triggers, no foreign keys
                    for table in used:
                        connection.execute(f"DELETE FROM {table}")
                    if truncated:
                        connection.execute(f"TRUNCATE {', '.join(truncated)} CASCADE")
                        connection.execute(_UNKNOWN)
                    for table, rows in self._rows.items():
                        if connection.execute(_KEPT.format(table)).fetchall() != rows:
                            connection.execute(f"DELETE FROM {table}")
                            connection.execute(_PUT_BACK.format(table), rows[0])
                    for counter, first, last in set(self._counters) - set(connection.execute(_COUNTERS)):
                        connection.execute(_COUNTED, (counter, last or first, last is not None))
                return _schema(connection) == self._schema
        except psycopg.Error:  # a table is away, or the connection
            return False

    def _administer(self, *statements: str) -> None:
        """Run statements on the server; tried again, for on a busy machine a connection is sometimes cut."""
        for attempt in range(ATTEMPTS):
            time.sleep(min(attempt, 1))
            try:
                if self._administrator is None:
                    self._administrator = self._connection("postgres")
                for statement in statements:
                    self._administrator.execute(statement)
            except (DuplicateDatabase, InvalidCatalogName):
                return  # done by the try whose connection was cut
            except OperationalError:
                self._forget()
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def _forget(self) -> None:
        if self._administrator is not None:
            self._administrator.close()
            self._administrator = None

    def _connection(self, name: str) -> Connection[Row]:
        return psycopg.connect(self._url(name), autocommit=True)

    def _url(self, name: str) -> str:
        return self._server.replace("/postgres?", f"/{name}?")


def _schema(connection: Connection[Row]) -> list[Row]:
    return connection.execute(f"{_SCHEMA} UNION ALL {_RELATIONS}").fetchall()


def _filled(connection: Connection[Row], tables: Collection[str]) -> list[str]:
    """Those of the tables that have rows."""
    asked = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables)
    return [table for (table,) in connection.execute(asked)] if tables else []
