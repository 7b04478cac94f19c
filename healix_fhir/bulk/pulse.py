"""The pulse of a run: a thread that says how far the run is, and ends what it reads when it is not to go on.

So a run that waits long for the database is called off as soon as one that writes lines.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.bulk.job import Run, Standing, beat
from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import HealixError, forbidden
from healix_fhir.kernel.log import get_logger

EVERY = 1.0
log = get_logger("bulk")


class OverError(Exception):
    """The run was called off, or has been begun anew elsewhere: there is nothing to say of it."""


class Pulse:
    """The pulse of `run` over `pool`, while the block lasts; `reading` is the connection that it may be waiting at.

    The run keeps `done` and `note` up to date, and calls `check` now and then.
    """

    def __init__(self, pool: ConnectionPool[Connection[Row]], run: Run, reading: Connection[Any] | None = None) -> None:
        self.done = 0
        self.note = ""
        self._pool = pool
        self._run = run
        self._reading = reading
        self._standing = Standing.GO
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"bulk-{run.number}", daemon=True)

    def check(self) -> None:
        """Raise what ends the run, if anything does: OverError, or Forbidden where its token was revoked."""
        if self._standing is Standing.REVOKED:
            raise forbidden("the token that this was asked for with is revoked, or its client or account is closed")
        if self._standing is Standing.OVER:
            raise OverError

    def __enter__(self) -> Pulse:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        if isinstance(error, psycopg.errors.QueryCanceled):
            self.check()

    def _beat(self) -> None:
        while self._standing is Standing.GO and not self._ended.wait(EVERY):
            try:
                self._look()
            except (psycopg.Error, HealixError) as error:
                log.warning("a bulk job cannot say how far it is", error=type(error).__name__)
        if self._standing is not Standing.GO and self._reading is not None:
            self._reading.cancel_safe()

    def _look(self) -> None:
        self._standing = transaction(self._pool, lambda: beat(self._run, self.done, self.note[:90]))
