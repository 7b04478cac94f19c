"""Searches on a hot standby that has replayed all that was committed on the primary when they were asked for.

Each search first asks the primary how far its log of changes has come, together with all that are asked in the same
moment, and then a standby whether it has replayed so much. So whoever has been told of a write sees it, on whichever
node, and access that was ended on the primary is ended here: a search on the standby is never older than its request.
A standby that is not so far within `PATIENCE`, or that does not answer, is let alone for a while and the search is made
on the primary. What a search writes (audit rows, before it is answered) is written there in any case; by what runs in
one transaction when it has ended, so that nothing is written twice where the primary has to begin again.

See docs/decisions/0179-searches-on-a-standby.md
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.errors import QueryCanceled
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from healix_fhir.kernel.coalesce import Coalescer
from healix_fhir.kernel.database import (
    BINARY,
    Finished,
    Row,
    Statement,
    Work,
    aat_once,
    advance,
    atransaction,
    is_unanswered,
    look,
    one,
    open_async_pool,
)
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.placeholders import posed

T = TypeVar("T")
Pool = AsyncConnectionPool[AsyncConnection[Row]]
Connection = AsyncConnection[Row]

PATIENCE = 0.02
"""Seconds for which a search waits for a connection to a standby, and for that to be as far as the primary was."""
SILENCE = 0.25
"""Seconds after which a standby that has not answered is one that does not."""
PAUSE = 0.001
"""Seconds between looks how far it is."""
AGAIN_AFTER_LAG, AGAIN_AFTER_LOSS = 0.1, 1.0
"""Seconds for which searches go to the primary after a standby was too far behind, or failed."""

_BEGIN = Statement("BEGIN READ ONLY")
_NOW = Statement("SELECT pg_current_wal_insert_lsn()::text")
_REPLAYED = Statement("SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn")
WHOSE = "SELECT system_identifier, current_database() FROM pg_control_system()"
"""Tells a standby of a database from a stranger: a standby has the primary's answer."""
log = get_logger("standby")


class Where(StrEnum):
    """What became of a search that a standby might have made."""

    SERVED = "served"
    BEHIND = "behind"
    LOST = "lost"


class _LostError(Exception):
    """The standby did not answer as the primary might."""


class Standby:
    """The hot standbys of one web process, over `pool`; `primary` is the pool of the database that they follow. `told`
    is called with what became of each search.
    """

    def __init__(self, primary: Pool, pool: Pool, told: Callable[[Where], None] = lambda _: None) -> None:
        self._primary, self._pool, self._told = primary, pool, told
        self._reached: Coalescer[None, str] = Coalescer(self._reach, limit=1024, flights=2)
        self._rests_until = 0.0
        self._is_away = False
        self._late: set[asyncio.Task[Any]] = set()

    async def read(
        self, make: Callable[[], Work[T]], *, together: bool = False, aside: bool = False
    ) -> Finished[T] | None:
        """The result of the use case that `make` makes, which looks things up; None where the primary has to be asked.

        With `together` in one transaction, and what it writes in one on the primary, when it has ended and unless it
        raises; else each statement is one. With `aside` as `kernel.database.atransaction`.
        Raises what the use case raises, and what the primary does.
        """
        if time.monotonic() < self._rests_until:
            return None
        reached = await self._reached.ask(None)
        connection = await self._lent(reached)
        if connection is None:
            return None
        held: list[Statement] = []
        try:
            async with AsyncRawCursor(connection) as cursor:
                cursor.format = BINARY
                if together:
                    result = await self._together(cursor, make(), held, aside=aside)
                else:
                    result = await self._drive(cursor, make(), None, aside=aside)
        except _LostError:
            return None
        finally:
            await self._pool.putconn(connection)
        if held:
            await atransaction(self._primary, lambda: _each(held))
        self._is_away = False
        self._told(Where.SERVED)
        return Finished(result)

    async def close(self) -> None:
        """Give back what is lent and close the connections."""
        for task in tuple(self._late):
            task.cancel()
        await self._pool.close()

    async def _reach(self, asked: Sequence[None]) -> list[str]:
        """How far the primary is, once for all who ask: where the next change goes that it writes to its log."""
        ((reached,),) = await aat_once(self._primary, one(_NOW))
        return [reached] * len(asked)

    async def _lent(self, reached: str) -> Connection | None:
        """A connection to a standby that has replayed the log up to `reached`; None where there is none in time.

        The wait is a task that is left behind where a standby does not even answer: to cancel a statement is to ask it.
        """
        task = asyncio.create_task(self._caught_up(reached))
        try:
            done, _ = await asyncio.wait((task,), timeout=SILENCE)
        except asyncio.CancelledError:
            self._leave(task)
            raise
        if not done:
            self._leave(task)
            self._rest(Where.LOST, AGAIN_AFTER_LOSS, "it does not answer")
            return None
        try:
            connection = task.result()
        except psycopg.Error as error:
            scarce = isinstance(error, PoolTimeout)  # all are in use, or none is to be had
            self._rest(Where.LOST, AGAIN_AFTER_LAG if scarce else AGAIN_AFTER_LOSS, type(error).__name__)
            return None
        if connection is None:
            self._rest(Where.BEHIND, AGAIN_AFTER_LAG)
        return connection

    async def _caught_up(self, reached: str) -> Connection | None:
        until = time.monotonic() + PATIENCE
        connection = await self._pool.getconn(PATIENCE)
        try:
            async with AsyncRawCursor(connection) as cursor:
                while True:
                    await cursor.execute(*posed(_REPLAYED.sql, (reached,)))
                    if (await cursor.fetchone() or (False,))[0]:
                        return connection
                    if time.monotonic() > until:
                        break
                    await asyncio.sleep(PAUSE)
        except BaseException:
            await self._pool.putconn(connection)
            raise
        await self._pool.putconn(connection)
        return None

    def _leave(self, task: asyncio.Task[Connection | None]) -> None:
        """Give back the connection of a task that nobody waits for any more, when it ends."""
        later = asyncio.create_task(self._given_back(task))
        self._late.add(later)
        later.add_done_callback(self._late.discard)

    async def _given_back(self, task: asyncio.Task[Connection | None]) -> None:
        try:
            connection = await task
        except psycopg.Error:
            return
        if connection is not None:
            await self._pool.putconn(connection)

    async def _together(self, cursor: AsyncRawCursor[Row], work: Work[T], held: list[Statement], *, aside: bool) -> T:
        """Nothing depends on how the transaction ends."""
        try:
            await self._rows(cursor, _BEGIN, None)
            return await self._drive(cursor, work, held, aside=aside)
        finally:
            with suppress(psycopg.Error):
                await cursor.execute(b"COMMIT")

    async def _drive(
        self, cursor: AsyncRawCursor[Row], work: Work[T], held: list[Statement] | None, *, aside: bool
    ) -> T:
        """Like `kernel.database.arun`; what writes is put into `held`, or goes to the primary. Raises `_LostError`."""
        resume: Callable[[Any], Any] = work.send
        given: Any = None
        while True:
            step = await asyncio.to_thread(advance, resume, given) if aside else advance(resume, given)
            if isinstance(step, Finished):
                result: T = step.result
                return result
            try:
                given = await self._rows(cursor, step, held)
                resume = work.send
            except psycopg.Error as error:
                given, resume = error, work.throw

    async def _rows(self, cursor: AsyncRawCursor[Row], statement: Statement, held: list[Statement] | None) -> list[Row]:
        if statement.apart is not None:
            return await self._drive(cursor, statement.apart(), held, aside=False)
        if statement.writes and held is not None:
            held.append(statement)
            return []
        if statement.writes:
            return await aat_once(self._primary, one(statement))
        began = time.perf_counter()
        try:
            await cursor.execute(*posed(statement.sql, statement.params), prepare=statement.prepare)
            rows = await cursor.fetchall() if cursor.rownumber is not None else []
        except QueryCanceled:  # the time for it is over
            raise
        except psycopg.Error as error:  # also what the use case has to write, and what is wrong on the primary as well
            if is_unanswered(error):
                self._rest(Where.LOST, AGAIN_AFTER_LOSS, type(error).__name__)
            raise _LostError from error
        look(statement, began)
        return rows

    def _rest(self, where: Where, seconds: float, why: str = "") -> None:
        """Ask the primary for so long; that a standby is away is logged once."""
        self._told(where)
        self._rests_until = time.monotonic() + seconds
        if where is Where.LOST and not self._is_away:
            self._is_away = True
            log.warning("the standby does not serve searches; the primary does", why=why)


def _each(statements: Sequence[Statement]) -> Work[None]:
    for statement in statements:
        yield from one(statement)


async def open_standby(
    url: str, primary: Pool, *, size: int, seconds: int = 0, told: Callable[[Where], None] = lambda _: None
) -> Standby:
    """The standbys at `url`, of which libpq chooses where it names several, with at most `size` connections. They need
    not be there yet.

    A database that does not follow the primary is no standby of it: connections to it fail.
    """
    async with primary.connection() as connection:
        whose = await (await connection.execute(WHOSE)).fetchone()

    async def check(connection: Connection) -> None:
        if await (await connection.execute(WHOSE)).fetchone() != whose:
            raise psycopg.OperationalError("the database of HEALIX_DATABASE_REPLICA_URL does not follow the primary")

    pool = await open_async_pool(url, size=size, seconds=seconds, check=check)
    return Standby(primary, pool, told)
