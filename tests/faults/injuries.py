"""The faults, as a table: what is done to a running server from outside, and how often in the long form."""

from __future__ import annotations

import contextlib
import errno
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import psycopg

from healix_fhir.server.migrate import current, head
from healix_fhir.server.schema import metadata
from tests.faults.node import Node, kill, look
from tests.faults.shim import MAKE, RENAME, SYNC, WRITE
from tests.support.serve import HEALIX, environment, wait_until

KILLS = 3
"""How many migrations of one database are killed."""


@dataclass(frozen=True)
class Fault:
    """`inflict` does it to a node and returns how many times, counted as in the table; the node then serves again.

    `weight` is its share among the rounds of the long form; `short`: it is in the short form, too.
    """

    name: str
    inflict: Callable[[Node, random.Random], int]
    weight: int
    short: bool = False


def _part(role: str) -> Callable[[Node, random.Random], int]:
    """Kill one process of a role."""

    def inflict(node: Node, chance: random.Random) -> int:
        wait_until(lambda: node.served.children(role), f"a {role} to kill")  # it may be pausing between two tries
        count = kill([chance.choice(node.served.children(role))])
        wait_until(lambda: len(node.served.children(role)) == (node.workers if role == "web" else 1), f"a new {role}")
        return count

    return inflict


def _tree(node: Node, _: random.Random) -> int:
    """Kill every process of the server, but not its database, and start it again."""
    kill(node.tree())
    node.start()
    return 1


def _tree_and_database(node: Node, _: random.Random) -> int:
    """Kill every process of the server and of its database, as a loss of power does, and start it again."""
    kill([*node.tree(), *node.database()])
    node.start()
    return 1


def _backend(node: Node, chance: random.Random) -> int:
    """Kill one process of the database that works for a client: PostgreSQL ends all others and recovers."""
    with look(node_url(node)) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()
    return kill([psutil.Process(chance.choice(rows)[0])]) if rows else 0


def _connections(node: Node, _: random.Random) -> int:
    """Cut all connections to the database at once."""
    with look(node_url(node)) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchall()
    return min(1, len(rows))


def _paused(node: Node, _: random.Random) -> int:
    """Stop the database's processes for a second, and let them go on."""
    stopped = node.database()
    for process in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGSTOP)
    time.sleep(1)  # the fault itself
    for process in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGCONT)
    return 1


def _database(node: Node, _: random.Random) -> int:
    """Kill every process of the database; the server starts it again."""
    before = node.database()
    kill(before)
    wait_until(lambda: {process.pid for process in node.database()} - {process.pid for process in before}, "a database")
    return 1


def _shim(error: int = 0, calls: int = 0, seconds: int = 0) -> Callable[[Node, random.Random], int]:
    """Let disk or clock fail for a while."""

    def inflict(node: Node, _: random.Random) -> int:
        if node.shim is None:
            return 0
        node.shim.set(error, calls, seconds)
        time.sleep(1)  # the fault itself
        node.shim.set()
        return 1

    return inflict


def _unanswered(node: Node, chance: random.Random) -> int:
    """Keep the answers of the database from the server, or those of the server from its clients; then cut them off."""
    return min(1, chance.choice(node.cut_off)())


def _exhausted(node: Node, _: random.Random) -> int:
    """Take every connection that the database has for a second."""
    with _taken(node):
        time.sleep(1)  # the fault itself
    return 1


def _migration(node: Node, chance: random.Random) -> int:
    """Kill what brings an empty database up to date, and what goes on with it, at any moment; the last one finds whole
    migrations and brings them to their end. That takes longer than the kills, so that there are some of them.
    """
    name = f"migrated_{chance.getrandbits(48)}"
    with look(node_url(node)) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = node_url(node).replace("/postgres?", f"/{name}?")
    command = [*HEALIX, "migrate", "--data-dir", str(node.data_dir)]
    environ = environment(database_url=url)
    for _ in range(KILLS):
        with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as victim:
            try:
                time.sleep(chance.uniform(0.5, 4))  # the moment of the fault
            finally:
                victim.kill()
    wait_until(
        lambda: subprocess.run(command, env=environ, capture_output=True, check=False).returncode == 0, "a schema"
    )
    with look(url) as connection:
        assert current(connection) == head(), "the schema is not the newest"
        found = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert found >= set(metadata.tables), f"tables are missing: {set(metadata.tables) - found}"
    with look(node_url(node)) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    return KILLS


@contextmanager
def _taken(node: Node) -> Iterator[None]:
    held: list[psycopg.Connection[tuple[object, ...]]] = []
    try:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.append(psycopg.connect(node_url(node)))
        yield
    finally:
        for connection in held:
            connection.close()


def node_url(node: Node) -> str:
    """The URL of a node's own database."""
    return f"postgresql://postgres:@/postgres?host={node.postmaster()[4].strip()}"


FAULTS = (
    Fault("answers of PostgreSQL or of the server kept, connections cut", _unanswered, 20, short=True),
    Fault("kill -9 of a PostgreSQL backend (crash recovery)", _backend, 16),
    Fault("all connections to PostgreSQL cut", _connections, 16),
    Fault("kill -9 of PostgreSQL, all of it", _database, 4, short=True),
    Fault("PostgreSQL paused for a second", _paused, 2),
    Fault("out of connections for a second", _exhausted, 2),
    Fault("disk full under images for a second (ENOSPC)", _shim(errno.ENOSPC, WRITE), 2),
    Fault("disk read-only for a second (EROFS)", _shim(errno.EROFS, MAKE | RENAME), 2),
    Fault("disk fails for a second (EIO on fsync)", _shim(errno.EIO, SYNC), 2, short=True),
    Fault("clock half an hour ahead for a second, then back", _shim(seconds=1800), 1, short=True),
    Fault("clock half an hour behind for a second", _shim(seconds=-1800), 1),
    Fault("kill -9 of a migration of an empty database", _migration, 2),
    Fault("kill -9 of a web worker", _part("web"), 8, short=True),
    Fault("kill -9 of the DIMSE process", _part("dimse"), 8, short=True),
    Fault("kill -9 of the job worker", _part("worker"), 4),
    Fault("kill -9 of the whole tree, without PostgreSQL", _tree, 1),
    Fault("kill -9 of the whole tree and PostgreSQL", _tree_and_database, 1, short=True),
)
