"""Refused connections, associations and messages in the audit trail, from a thread of its own.

The gate, which holds every connection, never waits for the database; a row is there a moment after its refusal. Peers
are not authenticated and anybody may knock: rows are bounded in number as those of unknown HTTP callers are
(smart_auth/flood.py), and the queue with them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from types import TracebackType
from typing import Self

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool, PoolTimeout

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, at_once, one
from healix_fhir.kernel.log import get_logger
from smart_auth.denial import REFUSED
from smart_auth.flood import Flood

ASSOCIATE = "A-ASSOCIATE"
ABORTED = "A-P-ABORT"
LONGEST = 200
TICK = 1.0
log = get_logger("dimse")


class Refusals:
    """The refusals of one process, written while its block lasts."""

    def __init__(self, pool: ConnectionPool[Connection[Row]]) -> None:
        self._pool = pool
        self._rows: SimpleQueue[AuditRow | None] = SimpleQueue()
        self._flood = Flood(time.monotonic())
        self._lock = Lock()
        self._thread = Thread(target=self._run, name="refusals", daemon=True)

    def __enter__(self) -> Self:
        """Begin to write."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Write what is left."""
        self._rows.put(None)
        self._thread.join()

    def refused(self, origin: Origin, word: str, reason: str) -> None:
        """Audit that `origin` was refused an association, or thrown out of one. Does not wait, and does not fail."""
        with self._lock:
            if self._flood.admits(origin.address, word):
                said = reason.replace("\0", "")[:LONGEST]
                self._rows.put(AuditRow(origin, "E", word, REFUSED, query=said))

    def _run(self) -> None:
        going = True
        while going:
            rows, going = self._taken()
            with self._lock:
                now = time.monotonic()
                if self._flood.rest(now) < 0 or (not going and self._flood.is_counting):
                    rows += self._flood.turn_over(now)
            self._write(rows)

    def _taken(self) -> tuple[list[AuditRow], bool]:
        """What came within a tick, and whether more is to come."""
        rows: list[AuditRow] = []
        try:
            row = self._rows.get(timeout=TICK)
            while row is not None:
                rows.append(row)
                row = self._rows.get_nowait()
        except Empty:
            return rows, True
        return rows, False

    def _write(self, rows: Sequence[AuditRow]) -> None:
        try:
            if rows:
                at_once(self._pool, one(record(rows)))
        except (psycopg.Error, PoolTimeout):
            log.exception("refusals are not in the audit trail", count=len(rows))
