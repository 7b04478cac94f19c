"""Bring the database's schema up to date; safe when many nodes start at once and when killed half-way.

Nodes of two versions may share a database while they are replaced one by one: migrations only add, so that an earlier
version goes on working, or state what they take away (migrations/support.py). This version serves on every schema that
is its own, or a later one that supports it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import Connection
from psycopg.errors import DeadlockDetected, LockNotAvailable, UndefinedTable
from sqlalchemy import Column, Table, Text

import migrations
from healix_fhir.kernel.database import Row, metadata
from healix_fhir.kernel.errors import Category, HealixError

if TYPE_CHECKING:
    import sqlalchemy

LOCK = 0x4865616C6978  # "Healix"
PATIENCE, ATTEMPTS, PAUSE = "2s", 60, 1.0
"""How long a migration waits for a table that servers use, how often it tries, and after how many seconds: whoever
comes after it waits behind it, and its order of tables is not that of their statements.
"""
RESTORING = "restoring"
"""The table that stands in a database while it is restored."""
PARTITIONING = "partitioning.progress"
"""The table that stands in a database while its tables are partitioned (server/partition)."""
OLDEST = "SELECT oldest FROM schema_support"
SCRIPTS = Path(migrations.__file__).parent

support = Table(
    "schema_support",
    metadata,
    Column("oldest", Text, primary_key=True),
    comment="the last migration of the oldest version that works on this schema; see server/migrate.py",
)


def migrate(url: str) -> None:
    """Apply the missing migrations, each in a transaction of its own, under an advisory lock.

    A second caller waits for the first and then finds nothing to do. A killed one leaves whole migrations only; the
    next start goes on after the last of them. Nothing is loaded or locked when the schema is up to date already, or
    that of a later version. Raises Unavailable for a database whose restore or partitioning was cut off, or that is
    not of UTF-8, and for a schema of a later version that this one cannot work with.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        refuse_encoding(connection.info.parameter_status("server_encoding"))
        refuse_unfinished(connection)
        if _is_behind(connection):
            upgrade(url)
        refuse_unsupported(connection)


def refuse_encoding(encoding: str | None) -> None:
    """Raise Unavailable when the database holds its texts otherwise than in UTF-8: not all that comes could be kept."""
    if encoding != "UTF8":
        raise HealixError(
            Category.UNAVAILABLE,
            f"the database's encoding is {encoding}; make it with `CREATE DATABASE … ENCODING 'UTF8'`",
        )


def refuse_unfinished(connection: Connection[Row]) -> None:
    """Raise Unavailable when the database is being restored or partitioned, or that was cut off."""
    row = connection.execute(
        "SELECT to_regclass(%s) IS NOT NULL, to_regclass(%s) IS NOT NULL", (f"public.{RESTORING}", PARTITIONING)
    ).fetchone()
    assert row is not None
    for there, done, command in ((row[0], "restored", "restore"), (row[1], "partitioned", "partition")):
        if there:
            raise HealixError(
                Category.UNAVAILABLE,
                f"the database is being {done}; if that was cut off, run `healix {command}` again",
            )


def refuse_unsupported(connection: Connection[Row]) -> None:
    """Raise Unavailable when the schema is that of a later version, which this one cannot work with."""
    at = current(connection)
    if at is not None and at > head() and oldest(connection) > head():
        raise HealixError(
            Category.UNAVAILABLE,
            f"the database's schema ({at}) is of a later version of Healix, this one ({head()}) cannot work with it",
        )


def oldest(connection: Connection[Row]) -> str:
    """The last migration of the oldest version that works on the database's schema, which is not empty."""
    (found,) = connection.execute(OLDEST).fetchall()[0]
    return str(found)


def _is_behind(connection: Connection[Row]) -> bool:
    """Whether migrations of this version are missing."""
    at = current(connection)
    return at is None or at < head()


def upgrade(url: str, revision: str = "head") -> None:
    """Apply the migrations that are missing up to `revision`."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()
        try:
            with psycopg.connect(url, autocommit=True) as looking:
                behind = _is_behind(looking)
            if behind:  # nobody was quicker, of this version or a later one
                config.attributes["connection"] = connection
                connection.execute(text(f"SET lock_timeout = '{PATIENCE}'"))
                connection.commit()
                _patiently(connection, lambda: command.upgrade(config, revision))
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
            connection.commit()
    engine.dispose()


def _patiently(connection: sqlalchemy.Connection, apply: Callable[[], None]) -> None:
    """Apply migrations, again and again from the one whose tables were in use."""
    from sqlalchemy.exc import OperationalError

    for attempt in range(1, ATTEMPTS + 1):
        try:
            apply()
            connection.commit()
        except OperationalError as error:
            connection.rollback()
            if not isinstance(error.orig, DeadlockDetected | LockNotAvailable):
                raise
            if attempt == ATTEMPTS:
                raise HealixError(
                    Category.UNAVAILABLE, "the schema was in use all the time; migrate when there is less to do"
                ) from error
            time.sleep(PAUSE)
        else:
            return


def current(connection: Connection[Row]) -> str | None:
    """The last applied migration; None on an empty database."""
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except UndefinedTable:
        return None
    return row[0] if row else None


def head() -> str:
    """The last migration of this version of the server: the number of its newest file NNNN_slug.py."""
    return max(path.name for path in (SCRIPTS / "versions").glob("[0-9]*.py"))[:4]
