"""Keeps what a process knows of custom search parameters true to the database: a thread with a connection of its own.

It hears of every change by NOTIFY and looks again after each connection. While it works with a generation it holds a
shared lock on it, by which others see how far this process is (see store/settling).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from select import select

import psycopg
from psycopg import Connection

from healix_fhir.kernel.database import Row, run, watched
from healix_fhir.kernel.log import get_logger
from healix_fhir.model import custom
from healix_fhir.store.custom_parameters import CHANNEL, LOCK, generation, load

AGAIN = 1.0
"""Seconds to the next attempt to connect."""
LOOK = 30.0
"""Seconds after which it looks without having heard anything."""

log = get_logger("parameters")


class ParameterWatch:
    """Watches the database at `url` from `start` to `stop`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._halt = threading.Event()
        self._waking, self._woken = socket.socketpair()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Know what there is, and go on watching. Raises what the database raises."""
        connection = self._connect()
        held = renew(connection, None)
        self._thread = threading.Thread(target=self._watch, args=(connection, held), name="parameters", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._halt.set()
        self._waking.send(b".")
        if self._thread is not None:
            self._thread.join()
        self._waking.close()
        self._woken.close()

    def _connect(self) -> Connection[Row]:
        connection = psycopg.connect(watched(self._url), autocommit=True)
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def _watch(self, connection: Connection[Row] | None, held: int | None) -> None:
        while not self._halt.is_set():
            try:
                if connection is None:
                    connection, held = self._connect(), None
                with connection:
                    self._follow(connection, held)
            except psycopg.OperationalError:
                log.warning("changes of search parameters are not heard")
            except Exception:
                log.exception("search parameters cannot be read")
            connection = None
            self._halt.wait(AGAIN)

    def _follow(self, connection: Connection[Row], held: int | None) -> None:
        while not self._halt.is_set():
            held = renew(connection, held)
            if not heard(connection):
                select([connection.fileno(), self._woken.fileno()], [], [], LOOK)


def heard(connection: Connection[Row]) -> bool:
    """Whether something was announced; what came along with an answer to a statement makes the socket ready no more."""
    count = sum(1 for _ in connection.notifies(timeout=0))
    while connection.pgconn.notifies() is not None:
        count += 1
    return count > 0


def renew(connection: Connection[Row], held: int | None) -> int:
    """Know the present generation, with a lock on it in place of that on the generation `held`: its number."""
    number = run(connection, generation())
    if number != held:
        connection.execute("SELECT pg_advisory_lock_shared(%s, %s)", (LOCK, number + 1))
        custom.install(run(connection, load()))
        if held is not None:
            connection.execute("SELECT pg_advisory_unlock_shared(%s, %s)", (LOCK, held + 1))
    return number


@contextmanager
def watching(url: str) -> Iterator[None]:
    """Know of custom parameters inside the block."""
    watch = ParameterWatch(url)
    watch.start()
    try:
        yield
    finally:
        watch.stop()
