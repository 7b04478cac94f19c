"""Migrations when many nodes start at once, and when one is killed half-way."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg
import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.server import migrate as module
from healix_fhir.server.migrate import LOCK, current, head, migrate, upgrade
from healix_fhir.server.schema import metadata

NODES = 8
MIGRATE = "import sys; from healix_fhir.server.migrate import migrate; migrate(sys.argv[1])"
_numbers = itertools.count()


@pytest.fixture
def empty_url(postgres_url: str) -> Iterator[str]:
    """A database without any table."""
    name = f"empty_{next(_numbers)}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres_url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def node(url: str) -> subprocess.Popen[bytes]:
    """A process that migrates the database and ends."""
    return subprocess.Popen([sys.executable, "-c", MIGRATE, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def tables(connection: psycopg.Connection[tuple[object, ...]]) -> set[object]:
    """The tables of the database."""
    return {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_many_nodes_at_once(empty_url: str) -> None:
    """Eight nodes that start together on an empty database all succeed, and it has the one newest schema."""
    nodes = [node(empty_url) for _ in range(NODES)]
    outputs = [started.communicate(timeout=60) for started in nodes]
    assert [(started.returncode, output[1]) for started, output in zip(nodes, outputs, strict=True)] == [
        (0, b"")
    ] * NODES
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(head(),)]
        assert tables(connection) >= set(metadata.tables)


def test_killed_migration(empty_url: str) -> None:
    """A migration that is killed while it works leaves nothing half done, and the next one completes it."""
    with psycopg.connect(empty_url) as blocker:
        # a type of this name, not yet committed, holds the second migration up in the middle
        blocker.execute("CREATE TYPE procrastinate_job_status AS ENUM ('todo')")
        killed = node(empty_url)
        wait_for_lock(empty_url)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        blocker.rollback()
    with psycopg.connect(empty_url, autocommit=True) as connection:
        wait_for_end(connection)
        assert current(connection) == "0001"
        assert "procrastinate_jobs" not in tables(connection)
        migrate(empty_url)
        assert current(connection) == head()
        assert "procrastinate_jobs" in tables(connection)


def test_table_that_is_in_use(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration does not hold up all others behind it while it waits for a table: it leaves, and tries again."""
    upgrade(empty_url, "0077")
    tries: list[float] = []
    with psycopg.connect(empty_url) as user:
        user.execute("LOCK TABLE subscription_topic IN ACCESS SHARE MODE")  # as whoever reads it has

        def pause(seconds: float) -> None:
            tries.append(seconds)
            if len(tries) == 2:
                user.rollback()

        monkeypatch.setattr(module, "PATIENCE", "50ms")
        monkeypatch.setattr(time, "sleep", pause)
        migrate(empty_url)
    assert tries == [module.PAUSE] * 2
    with psycopg.connect(empty_url) as connection:
        assert current(connection) == head()


def test_table_that_is_never_free(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the end it says so, and what was migrated before stays."""
    upgrade(empty_url, "0077")
    monkeypatch.setattr(module, "PATIENCE", "50ms")
    monkeypatch.setattr(module, "PAUSE", 0.0)
    with psycopg.connect(empty_url) as user:
        user.execute("LOCK TABLE subscription_topic IN ACCESS SHARE MODE")
        with pytest.raises(HealixError, match="in use all the time"):
            migrate(empty_url)
        with psycopg.connect(empty_url) as connection:
            assert current(connection) == "0077"


def test_schema_of_a_later_version(database_url: str) -> None:
    """A node of this version starts on it and changes nothing, unless the schema lacks what it works with."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        migrate(database_url)
        assert current(connection) == "9999"
        connection.execute("UPDATE schema_support SET oldest = '9998'")
        with pytest.raises(HealixError, match=rf"schema \(9999\) is of a later version .*, this one \({head()}\)"):
            migrate(database_url)
        assert current(connection) == "9999"


def test_node_that_waited_for_one_of_a_later_version(empty_url: str) -> None:
    """A node that found an old schema, and has the lock after a later version has migrated, leaves it as it is."""
    migrate(empty_url)
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        waiting_node = node(empty_url)
        while not connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'advisory'").fetchall():
            assert waiting_node.poll() is None, "it did not wait"
            time.sleep(0.05)
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        assert (waiting_node.communicate(timeout=60)[1], waiting_node.returncode) == (b"", 0)
        assert current(connection) == "9999"


def wait_for_lock(url: str) -> None:
    """Wait until some backend waits for another's transaction."""
    with psycopg.connect(url, autocommit=True) as connection:
        deadline = time.monotonic() + 60
        while not waiting(connection):
            assert time.monotonic() < deadline, "the migration was not held up"
            time.sleep(0.05)


def waiting(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Whether a statement of this database waits for a lock that is not the migrations' own."""
    rows = connection.execute(
        """SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
           WHERE NOT granted AND locktype <> 'advisory' AND datname = current_database()"""
    ).fetchall()
    return bool(rows)


def wait_for_end(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Wait until the killed process' backend is gone and its lock with it."""
    deadline = time.monotonic() + 60
    sql = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND ((classid::bigint << 32) | objid::bigint) = %s"
    while connection.execute(sql, (LOCK,)).fetchall():
        assert time.monotonic() < deadline, "the killed migration still holds its lock"
        time.sleep(0.05)


def test_a_database_of_another_encoding_is_refused(postgres_url: str) -> None:
    """It is said in a line how it has to be made, before anything is made in it."""
    name = "latin"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        url = postgres_url.replace("/postgres?", f"/{name}?")
        with pytest.raises(HealixError, match="encoding is SQL_ASCII") as raised:
            migrate(url)
        assert raised.value.category is Category.UNAVAILABLE
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
