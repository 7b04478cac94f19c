"""Keeps what a process knows of custom search parameters true to the database: a thread with a connection of its own.

It hears of every change by NOTIFY and looks again after each connection. While it works with a generation it holds a
shared lock on it, by which others see how far this process is (see store/settling).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog
from psycopg import Connection

from healix_fhir.kernel.database import Row, run
from healix_fhir.model import custom
from healix_fhir.store.custom_parameters import CHANNEL, LOCK, generation, load

AGAIN = 1.0
"""Seconds to the next attempt to connect."""
LOOK = 30.0
"""Seconds after which it looks without having heard anything."""
WAKE = 0.5
"""Seconds between two looks at whether it is to stop."""

log = structlog.get_logger("parameters")


class ParameterWatch:
    """Watches the database at `url` from `start` to `stop`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="parameters", daemon=True)
        self._known = threading.Event()

    def start(self) -> None:
        """Know what there is, and go on watching. Raises what the database raises."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            custom.install(run(connection, load()))
        self._thread.start()
        self._known.wait(AGAIN)

    def stop(self) -> None:
        """Stop watching."""
        self._halt.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._halt.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._follow(connection)
            except psycopg.OperationalError:
                log.warning("changes of search parameters are not heard")
                self._halt.wait(AGAIN)

    def _follow(self, connection: Connection[Row]) -> None:
        held = renew(connection, None)
        self._known.set()
        quiet = 0.0
        while not self._halt.is_set():
            heard = [notice.payload for notice in connection.notifies(timeout=WAKE, stop_after=1)]
            quiet = 0.0 if heard else quiet + WAKE
            if heard or quiet >= LOOK:
                quiet = 0.0
                held = renew(connection, held)


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
