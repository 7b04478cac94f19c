"""Refused requests in the audit trail, those of unknown callers bounded so that a flood does not fill the disk.

A refusal is in the database before it is answered, as a row of its own, while there are few: in each window
`PER_ADDRESS` of one address and `IN_ALL` of one process. What goes beyond is counted by address and by what was
refused, and each count is one row when the window ends: `GROUPS` of them, the rest together. A window is `WINDOW`
seconds; while floods last each is twice as long as the one before, up to `LONGEST`, and an address that went beyond in
the last one has no rows of its own. Refusals that come together are one statement.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.coalesce import Coalescer
from healix_fhir.kernel.database import Lent, Row, arun, one
from smart_auth.denial import REFUSED, Denial, record_denials
from smart_auth.network import network

WINDOW = 60.0
LONGEST = 480.0
PER_ADDRESS = 10
IN_ALL = 100
GROUPS = 50
FAILURES = (psycopg.Error, PoolClosed, PoolTimeout)
log = structlog.get_logger("denials")


class Group(NamedTuple):
    """What is counted together: the network of the callers, and what was refused them."""

    network: str
    subtype: str


class Denials:
    """The refusals of one process."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Row]]) -> None:
        self._pool = pool
        self._writes: Coalescer[AuditRow, None] = Coalescer(self._write, limit=256, flights=1)
        self._denials: Coalescer[tuple[Origin, Denial], None] = Coalescer(self._deny, limit=64, flights=1)
        self._begun = time.monotonic()
        self._length = WINDOW
        self._seen: Counter[str] = Counter()
        self._left_out: Counter[Group] = Counter()
        self._others = 0
        self._flooding: frozenset[str] = frozenset()
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def refused(
        self, origin: Origin, subtype: str, *, entity: str | None = None, query: str | None = None, action: str = "E"
    ) -> None:
        """Audit that `subtype` was refused to `origin`. Never fails: the refusal itself matters more."""
        try:
            if time.monotonic() - self._begun > self._length:
                await self._turn_over()
            caller = network(origin.address)
            if self._has_room(caller):
                self._seen[caller] += 1
                await self._writes.ask(AuditRow(origin, action, subtype, REFUSED, entity=entity, query=query))
            else:
                self._count(Group(caller, subtype))
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
        if self._left_out:
            await self._end()

    def _has_room(self, caller: str) -> bool:
        return (
            self._seen.total() < IN_ALL and self._seen[caller] < PER_ADDRESS and caller not in self._flooding
        )  # fmt: skip

    def _count(self, group: Group) -> None:
        if group in self._left_out or len(self._left_out) < GROUPS:
            self._left_out[group] += 1
        else:
            self._others += 1
        if self._timer is None:
            rest = self._length - (time.monotonic() - self._begun)
            self._timer = asyncio.get_running_loop().call_later(max(0.0, rest), self._due)

    def _due(self) -> None:
        """The window ends while nobody is refused any more."""
        self._ending = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        try:
            await self._turn_over()
        except FAILURES:
            log.exception("counted refusals are not in the audit trail")

    async def _turn_over(self) -> None:
        left_out, others, length = self._left_out, self._others, self._length
        self._flooding = frozenset(group.network for group in left_out)
        self._left_out, self._others = Counter(), 0
        self._length = min(self._length * 2, LONGEST) if left_out else WINDOW
        self._begun = time.monotonic()
        self._seen.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rows = [
            AuditRow(Origin(address=group.network or None), "E", group.subtype, REFUSED, query=_told(count, length))
            for group, count in left_out.items()
        ]
        if others:
            rows.append(AuditRow(Origin(), "E", "flood", REFUSED, query=_told(others, length)))
        await asyncio.gather(*(self._writes.ask(row) for row in rows))

    async def _write(self, rows: Sequence[AuditRow]) -> Sequence[Exception | None]:
        async with Lent(self._pool) as connection:
            await arun(connection, one(record(rows)))
        return [None for _ in rows]

    async def _deny(self, denied: Sequence[tuple[Origin, Denial]]) -> Sequence[Exception | None]:
        async with Lent(self._pool) as connection:
            await arun(connection, one(record_denials(denied)))
        return [None for _ in denied]


def _told(count: int, seconds: float) -> str:
    return f"{count} further refusals within {seconds:.0f} s have no row of their own"
