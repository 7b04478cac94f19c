"""All rows of the database, as one snapshot has them, and back again.

Tables are copied in the binary form of COPY: exact, quick, and of no program beside the connection. They are whole in
each backup. A restored database gets its rows in one transaction, without the triggers and indexes that would look at
each of them; it has all of them or none.

Spec: PostgreSQL 18, COPY, Binary Format
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from psycopg import Connection
from psycopg.sql import SQL, Composable, Identifier

from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import invalid
from healix_fhir.server.backup.lanes import ahead
from healix_fhir.server.backup.manifest import Counter, Table
from healix_fhir.server.backup.pieces import DamagedError, Piece, Pieces
from healix_fhir.server.backup.store import PIECE
from healix_fhir.server.migrate import RESTORING
from healix_fhir.server.partition.parts import DIRECTORY

_TABLES = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> ALL(%s)
GROUP BY c.relname ORDER BY c.relname"""

_SEQUENCES = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' ORDER BY relname"""


def tables(connection: Connection[Row]) -> dict[str, tuple[str, ...]]:
    """The tables of Healix, with the columns that are written.

    A table of parts is one table here, and what is kept beside it is not: a backup is restored into whole tables.
    """
    return {name: tuple(columns) for name, columns in connection.execute(_TABLES, ([RESTORING, DIRECTORY],))}


def counters(connection: Connection[Row]) -> tuple[Counter, ...]:
    """The sequences. They know of no snapshot: to be called after the rows were read, so that none is behind them."""
    names = [name for (name,) in connection.execute(_SEQUENCES)]
    found = []
    for name in names:
        row = connection.execute(SQL("SELECT last_value, is_called FROM {}").format(Identifier(name))).fetchone()
        assert row is not None
        found.append(Counter(name, *row))
    return tuple(found)


def copied(
    connection: Connection[Row], name: str, columns: tuple[str, ...], put: Callable[[int, bytes], Piece]
) -> Table:
    """Copy a table out, in pieces that `put` takes with their numbers, in threads."""
    with connection.cursor() as cursor:
        with cursor.copy(
            SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)").format(_listed(columns), Identifier(name))
        ) as copy:
            found = tuple(ahead(lambda one: put(*one), enumerate(_gathered(copy), 1)))
        return Table(name, columns, cursor.rowcount, found)


def _gathered(chunks: Iterable[bytes | bytearray | memoryview]) -> Iterator[bytes]:
    """The same bytes, in pieces of `PIECE`."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    yield bytes(held)


def _listed(columns: Sequence[str]) -> Composable:
    return SQL(", ").join(map(Identifier, columns))


_FOREIGN = """
SELECT c.conrelid::regclass::text, quote_ident(c.conname), pg_get_constraintdef(c.oid)
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND NOT r.relispartition"""

_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid
WHERE r.relnamespace = 'public'::regnamespace AND r.relkind = 'r' AND NOT r.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)"""
"""Those that are no constraints, of tables without partitions."""

SETTLED = (
    "UPDATE audit_gap SET horizon = 0",
    "UPDATE reindexing SET settled = NULL, barrier = NULL",
)
"""What waits for transactions of the server that the backup was taken of: all of them have ended, and here numbers
begin anew."""


def load(
    connection: Connection[Row],
    pieces: Pieces,
    wanted: Sequence[Table],
    sequences: Sequence[Counter],
    advance: Callable[[int], None],
) -> None:
    """Fill the tables of an empty database, and take its marker away, in one transaction.

    Raises Invalid when the tables are not those of the backup, or a piece is damaged.
    """
    there = tables(connection)
    if {table.name: set(table.columns) for table in wanted} != {name: set(there[name]) for name in there}:
        raise invalid("the tables of the backup are not those of its schema")
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
        foreign = connection.execute(_FOREIGN).fetchall()
        indexes = connection.execute(_INDEXES).fetchall()
        for table, name, _ in foreign:
            _run(connection, f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for name, _ in indexes:
            _run(connection, f"DROP INDEX {name}")
        for table in wanted:
            _fill(connection, pieces, table, advance)
        for one in sequences:
            connection.execute("SELECT setval(quote_ident(%s)::regclass, %s, %s)", (one.name, one.value, one.called))
        for statement in SETTLED:
            _run(connection, statement)
        for _, definition in indexes:
            _run(connection, definition)
        for table, name, definition in foreign:
            _run(connection, f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        _run(connection, f"DROP TABLE {RESTORING}")


def _run(connection: Connection[Row], statement: str) -> None:
    """A statement made of names that PostgreSQL itself has quoted."""
    connection.execute(statement.encode())


def _fill(connection: Connection[Row], pieces: Pieces, table: Table, advance: Callable[[int], None]) -> None:
    name = Identifier(table.name)
    connection.execute(SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name))
    connection.execute(SQL("DELETE FROM {}").format(name))  # what migrations put there
    with connection.cursor() as cursor:
        with cursor.copy(SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(name, _listed(table.columns))) as copy:
            try:
                for plain in ahead(pieces.read, table.pieces):
                    copy.write(plain)
                    advance(len(plain))
            except DamagedError as error:
                raise invalid(f"the backup is damaged: {error}") from error
        if cursor.rowcount != table.rows:
            raise invalid(f"the backup is damaged: {table.name} has {cursor.rowcount} rows instead of {table.rows}")
    connection.execute(SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(name))


def reset(connection: Connection[Row]) -> None:
    """Remove all tables, types and functions of Healix.

    Raises Invalid when a server still works with the database.
    """
    others = connection.execute(
        """SELECT count(*) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
    ).fetchone()
    if others and others[0]:
        raise invalid(f"the database is in use by {others[0]} connections: stop the server first")
    with connection.transaction():
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")


def state_of(connection: Connection[Row]) -> tuple[bool, bool]:
    """Whether there are tables, and whether a restore was cut off."""
    marked = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (f"public.{RESTORING}",)).fetchone()
    return bool(tables(connection)), bool(marked and marked[0])
