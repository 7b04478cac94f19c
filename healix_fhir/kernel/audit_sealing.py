"""The step of the job worker that seals the audit trail and anchors its chain."""

from __future__ import annotations

import time
from pathlib import Path

from psycopg import Connection

from healix_fhir.kernel.audit_anchors import NAME, Anchors
from healix_fhir.kernel.audit_chain import LARGEST, Block, seal, tip
from healix_fhir.kernel.database import Row, Statement, one, run
from healix_fhir.kernel.log import get_logger

PAUSE = 0.5
"""Seconds between two blocks: the window in which a row is held by nothing but the database's refusals."""

log = get_logger("audit")


class Sealing:
    """Seals what is new, half a second after the last time; for one node, whose data directory is `data_dir`."""

    def __init__(self, data_dir: Path) -> None:
        self._anchors = Anchors(data_dir / NAME)
        self._next = 0.0

    def __call__(self, connection: Connection[Row]) -> int:
        """One block and, when it is time, one anchor. Returns 1 while there is more to seal at once."""
        if time.monotonic() < self._next:
            return 0
        with connection.transaction():
            # an anchor must not outlive the block that it names
            connection.execute("SET LOCAL synchronous_commit = on")
            connection.execute("SET LOCAL client_encoding = 'UTF8'")
            sealed = run(connection, seal())
        last = run(connection, tip())
        if self._anchors.due(last):
            self._check(connection, last)
            self._anchors.add(last)
        if sealed >= LARGEST:
            return 1
        self._next = time.monotonic() + PAUSE
        return 0

    def _check(self, connection: Connection[Row], last: Block) -> None:
        """Say at once when the chain is no longer what was anchored last; the rest is for `healix audit verify`."""
        anchor = self._anchors.last
        if anchor is None:
            return
        then = Block()
        if anchor.block <= last.number:
            wanted = Statement("SELECT number, total, high, head FROM audit_block WHERE number = %s", (anchor.block,))
            then = Block(*(run(connection, one(wanted)) or [(0, 0, 0, b"")])[0])
        if not anchor.agrees(then):
            log.error("the audit trail is not what was anchored: run `healix audit verify`", block=anchor.block)
