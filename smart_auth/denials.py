"""Refused requests in the audit trail, those of unknown callers bounded (smart_auth/flood.py).

A refusal is in the database before it is answered, as a row of its own, while there are few; counts of further ones are
written when their window ends. Refusals that come together are one statement.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.coalesce import Coalescer
from healix_fhir.kernel.database import Lent, Row, arun, one
from healix_fhir.kernel.log import get_logger
from smart_auth.denial import REFUSED, Denial, record_denials
from smart_auth.flood import Flood

FAILURES = (psycopg.Error, PoolClosed, PoolTimeout)
log = get_logger("denials")


class Denials:
    """The refusals of one process."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Row]]) -> None:
        self._pool = pool
        self._writes: Coalescer[AuditRow, None] = Coalescer(self._write, limit=256, flights=1)
        self._denials: Coalescer[tuple[Origin, Denial], None] = Coalescer(self._deny, limit=64, flights=1)
        self._flood = Flood(time.monotonic())
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def refused(
        self, origin: Origin, subtype: str, *, entity: str | None = None, query: str | None = None, action: str = "E"
    ) -> None:
        """Audit that `subtype` was refused to `origin`. Never fails: the refusal itself matters more."""
        try:
            if self._flood.rest(time.monotonic()) < 0:
                await self._turn_over()
            if self._flood.admits(origin.address, subtype):
                await self._writes.ask(AuditRow(origin, action, subtype, REFUSED, entity=entity, query=query))
            elif self._timer is None:
                rest = max(0.0, self._flood.rest(time.monotonic()))
                self._timer = asyncio.get_running_loop().call_later(rest, self._due)
        except FAILURES:
            log.exception("a refusal is not in the audit trail", subtype=subtype)

    async def denied(self, origin: Origin, denials: Sequence[Denial]) -> None:
        """Audit what a known caller was not given; never fails. Like its successes these are not bounded in number."""
        try:
            await asyncio.gather(*(self._denials.ask((origin, one)) for one in denials))
        except FAILURES:
            log.exception("a denial is not in the audit trail", client=origin.client)

    async def stop(self) -> None:
        """Write the counts of what was left out."""
        if self._ending is not None:
            await self._ending
        if self._flood.is_counting:
            await self._end()

    def _due(self) -> None:
        """The window ends while nobody is refused any more."""
        self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        try:
            await self._turn_over()
        except FAILURES:
            log.exception("counted refusals are not in the audit trail")

    async def _turn_over(self) -> None:
        rows = self._flood.turn_over(time.monotonic())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await asyncio.gather(*(self._writes.ask(row) for row in rows))

    async def _write(self, rows: Sequence[AuditRow]) -> Sequence[Exception | None]:
        async with Lent(self._pool) as connection:
            await arun(connection, one(record(rows)))
        return [None for _ in rows]

    async def _deny(self, denied: Sequence[tuple[Origin, Denial]]) -> Sequence[Exception | None]:
        async with Lent(self._pool) as connection:
            await arun(connection, one(record_denials(denied)))
        return [None for _ in denied]
