"""OAuthError requests in the audit trail, bounded so that a flood of them does not fill the disk.

In each window of a minute, `PER_ADDRESS` refusals of one address and `IN_ALL` of one process are written; what goes
beyond is counted, and the count is written as one row when the window ends. A refusal is in the database before it is
answered; refusals that come together are one statement.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.coalesce import Coalescer
from healix_fhir.kernel.database import Lent, Row, arun, one

WINDOW = 60.0
PER_ADDRESS = 30
IN_ALL = 600
REFUSED = 4
log = structlog.get_logger("denials")


class Denials:
    """The refusals of one process."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Row]]) -> None:
        self._pool = pool
        self._writes: Coalescer[AuditRow, None] = Coalescer(self._write, limit=256, flights=1)
        self._begun = time.monotonic()
        self._seen: Counter[str] = Counter()
        self._left_out = 0

    async def refused(
        self, origin: Origin, subtype: str, *, entity: str | None = None, query: str | None = None, action: str = "E"
    ) -> None:
        """Audit that `subtype` was refused to `origin`. Never fails: the refusal itself matters more."""
        try:
            if time.monotonic() - self._begun > WINDOW:
                await self._turn_over()
            address = origin.address or ""
            if self._seen.total() >= IN_ALL or self._seen[address] >= PER_ADDRESS:
                self._left_out += 1
                return
            self._seen[address] += 1
            await self._writes.ask(AuditRow(origin, action, subtype, REFUSED, entity=entity, query=query))
        except psycopg.Error:
            log.exception("a refusal is not in the audit trail", subtype=subtype)

    async def stop(self) -> None:
        """Write the count of what was left out."""
        if self._left_out:
            await self._turn_over()

    async def _turn_over(self) -> None:
        left_out, self._left_out = self._left_out, 0
        self._begun = time.monotonic()
        self._seen.clear()
        if left_out:
            summary = f"{left_out} further refusals within {WINDOW:.0f} s are not listed"
            await self._writes.ask(AuditRow(Origin(), "E", "flood", REFUSED, query=summary))

    async def _write(self, rows: Sequence[AuditRow]) -> Sequence[Exception | None]:
        async with Lent(self._pool) as connection:
            await arun(connection, one(record(rows)))
        return [None for _ in rows]
