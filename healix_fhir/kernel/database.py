"""Statements as data, run the same way by asynchronous and synchronous callers.

A use case is written once, as a generator that yields each `Statement` it needs and receives its rows; it never
sees a connection. `run` drives it over a synchronous connection (DIMSE, job worker, CLI), `arun` over an
asynchronous one (web). A statement that fails is raised inside the generator, at the `yield`, so that use cases
handle database errors where they arise. All statements of one run share one transaction, which `transaction` and
`atransaction` retry when PostgreSQL reports a deadlock or a serialisation failure.

Results are read in binary form: `bytea` arrives as `bytes` without decoding.

A new connection that is not answered is given up after ten seconds, for every way to connect and for child processes,
hence by the environment: psycopg's 130 seconds would keep the few threads of a pool that connect, and all who wait for
it, though the database answers others. One whose other end went away without a word is given up after a minute
(`watched`).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
import psycopg
from psycopg import AsyncConnection, AsyncRawCursor, Connection, RawCursor
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.pq import Format
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy import MetaData

from healix_fhir.kernel.placeholders import posed
from healix_fhir.kernel.slow import watch

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]
RETRIES = 5
WAIT = 10.0
CONNECT = "PGCONNECT_TIMEOUT"
"""What libpq and psycopg are told by how many seconds a new connection may take, where its URL does not say it."""

os.environ.setdefault(CONNECT, "10")
WATCHED = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 30_000}
"""How a line is watched: seconds of silence until the other end is asked whether it is there, seconds between such
questions and their number, and milliseconds until what was sent and not received is given up.
"""
BINARY = Format.BINARY

metadata = MetaData()
"""Every table of every room; migrations are compared with it."""


class Fragment(msgspec.Struct, frozen=True):
    """A piece of SQL with its bound parameters, in order of their `%s`.

    `sql` is composed from constants only; every value from outside is in `params`.
    """

    sql: str
    params: tuple[Any, ...] = ()


class Statement(msgspec.Struct, frozen=True):
    """One SQL statement to run. `prepare=None` leaves the choice to psycopg (prepared from its fifth use).

    `prepare=False` forces a plan for the actual values: needed by array predicates (see docs/decisions).

    For who looks up on a standby (kernel/standby.py): `writes` says that the statement is for the primary, `apart`
    makes the use case of the same rows that has what it writes in a statement of its own.
    """

    sql: str
    params: Sequence[Any] | dict[str, Any] = ()
    prepare: bool | None = None
    writes: bool = False
    apart: Callable[[], Generator[Statement, list[Row], list[Row]]] | None = None


Work: TypeAlias = Generator[Statement, list[Row], T]
"""A use case: yields statements, receives rows, returns its result."""


def one(statement: Statement) -> Work[list[Row]]:
    """The use case that is a single statement."""
    rows = yield statement
    return rows


def run(connection: Connection[Row], work: Work[T]) -> T:
    """Drive `work` over a synchronous connection, inside whatever transaction it is in."""
    with RawCursor(connection) as cursor:
        cursor.format = BINARY
        try:
            statement = next(work)
            while True:
                began = perf_counter()
                try:
                    cursor.execute(*posed(statement.sql, statement.params), prepare=statement.prepare)
                    rows = cursor.fetchall() if cursor.rownumber is not None else []
                    look(statement, began)
                except psycopg.Error as error:
                    statement = work.throw(error)
                else:
                    statement = work.send(rows)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


def look(statement: Statement, began: float) -> None:
    """Tell of a statement that took too long."""
    took = perf_counter() - began
    if took > watch.seconds:
        watch.tell(posed(statement.sql, statement.params)[0], took)


async def arun(connection: AsyncConnection[Row], work: Work[T]) -> T:
    """Drive `work` over an asynchronous connection, inside whatever transaction it is in."""
    async with AsyncRawCursor(connection) as cursor:
        cursor.format = BINARY
        try:
            statement = next(work)
            while True:
                began = perf_counter()
                try:
                    await cursor.execute(*posed(statement.sql, statement.params), prepare=statement.prepare)
                    rows = await cursor.fetchall() if cursor.rownumber is not None else []
                    look(statement, began)
                except psycopg.Error as error:
                    statement = work.throw(error)
                else:
                    statement = work.send(rows)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Finished(Generic[T]):
    """The result of a use case that has ended."""

    result: T


async def arun_aside(connection: AsyncConnection[Row], work: Work[T]) -> T:
    """Drive `work` like `arun`, its own computing in threads."""
    async with AsyncRawCursor(connection) as cursor:
        cursor.format = BINARY
        step = await asyncio.to_thread(advance, work.send, None)
        while not isinstance(step, Finished):
            began = perf_counter()
            try:
                await cursor.execute(*posed(step.sql, step.params), prepare=step.prepare)
                rows = await cursor.fetchall() if cursor.rownumber is not None else []
                look(step, began)
            except psycopg.Error as error:
                step = await asyncio.to_thread(advance, work.throw, error)
            else:
                step = await asyncio.to_thread(advance, work.send, rows)
        result: T = step.result
        return result


def advance(resume: Callable[[Any], Statement], value: Any) -> Any:
    """The next statement of a use case, or its `Finished` result."""
    try:
        return resume(value)
    except StopIteration as stop:
        return Finished(stop.value)


def at_once(pool: ConnectionPool[Connection[Row]], work: Work[T]) -> T:
    """Run a use case of one statement without a transaction around it, which would cost two more exchanges.

    As `Lent` does, it leaves out what `pool.connection()` does at the end.
    """
    connection = pool.getconn()
    try:
        return run(connection, work)
    finally:
        pool.putconn(connection)


class Lent:
    """A connection of `pool` for a block of statements that are each a transaction of their own.

    `pool.connection()` would also commit at the end, though there is nothing to commit: 5 of the 36 µs of a statement.
    """

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Row]]) -> None:
        self._pool = pool

    async def __aenter__(self) -> AsyncConnection[Row]:
        self._connection = await self._pool.getconn()
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        await self._pool.putconn(self._connection)


async def aat_once(pool: AsyncConnectionPool[AsyncConnection[Row]], work: Work[T], *, aside: bool = False) -> T:
    """Run a use case of one statement without a transaction around it, which would cost two more exchanges.

    With `aside` as `atransaction`. Of a use case of several statements each is a transaction of its own.
    """
    async with Lent(pool) as connection:
        return await (arun_aside if aside else arun)(connection, work)


def transaction(pool: ConnectionPool[Connection[Row]], make: Callable[[], Work[T]]) -> T:
    """Run the use case that `make` makes in one transaction of its own; retry it when it lost a race."""
    for attempt in range(RETRIES):
        try:
            with pool.connection() as connection, connection.transaction():
                return run(connection, make())
        except (DeadlockDetected, SerializationFailure):
            if attempt == RETRIES - 1:
                raise
            time.sleep(_pause(attempt))
    raise AssertionError("unreachable")


async def atransaction(
    pool: AsyncConnectionPool[AsyncConnection[Row]], make: Callable[[], Work[T]], *, aside: bool = False
) -> T:
    """Run the use case that `make` makes in one transaction of its own; retry it when it lost a race.

    With `aside` everything that the use case computes is computed in threads, so that a large one does not keep the
    event loop from others.
    """
    drive = arun_aside if aside else arun
    for attempt in range(RETRIES):
        try:
            async with pool.connection() as connection, connection.transaction():
                return await drive(connection, make())
        except (DeadlockDetected, SerializationFailure):
            if attempt == RETRIES - 1:
                raise
            await asyncio.sleep(_pause(attempt))
    raise AssertionError("unreachable")


def _pause(attempt: int) -> float:
    return random.uniform(0.005, 0.01) * float(2**attempt)  # noqa: S311 - jitter, not a secret


_CUT_OFF = ("08", "57P")
"""How the SQLSTATEs begin of connections that fail, and of what PostgreSQL tells those that it ends connections of."""


def watched(url: str) -> str:
    """The URL or connection string of a database with what ends connections to a machine that is gone, where it does
    not say that itself; it means nothing on a socket of this machine.

    Else who waits for an answer waits a quarter of an hour, and who listens for notifications two hours.
    Spec: PostgreSQL 18, 34.1.2; tcp(7)
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        return url  # who connects is told what is wrong with it
    further = [f"{name}={value}" for name, value in WATCHED.items() if name not in given]
    if not given or not further:
        return url
    if "://" in url.partition("=")[0]:
        return f"{url}{'&' if '?' in url else '?'}{'&'.join(further)}"
    return " ".join((url, *further))


def is_unanswered(error: psycopg.Error) -> bool:
    """Whether the connection was lost, so that what was sent may have been committed all the same.

    Who would send it again might find its own change, and refuse it or make it twice.
    """
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_CUT_OFF)


def open_pool(url: str, *, size: int, seconds: int = 0) -> ConnectionPool[Connection[Row]]:
    """A synchronous pool; connections are made when first needed and checked when handed out after an error.

    PostgreSQL stops each statement after `seconds` (0: never), also when nobody waits for it any more.
    """

    def configure(connection: Connection[Row]) -> None:
        if seconds:
            connection.execute(_LIMIT, (f"{seconds}s",))

    own = {"autocommit": True}
    return ConnectionPool(watched(url), min_size=1, max_size=size, open=True, kwargs=own, configure=configure)


_LIMIT = "SELECT set_config('statement_timeout', %s, FALSE)"


async def open_async_pool(
    url: str, *, size: int, seconds: int = 0, check: Callable[[AsyncConnection[Row]], Awaitable[None]] | None = None
) -> AsyncConnectionPool[AsyncConnection[Row]]:
    """An asynchronous pool, opened on the running event loop. Nobody waits longer than `WAIT` for a connection.

    PostgreSQL stops each statement after `seconds` (0: never), also when nobody waits for it any more. With `check`,
    which raises for a connection that is not good, the database need not be there yet.
    """

    async def configure(connection: AsyncConnection[Row]) -> None:
        if check is not None:
            await check(connection)
        if seconds:
            await connection.execute(_LIMIT, (f"{seconds}s",))

    pool: AsyncConnectionPool[AsyncConnection[Row]] = AsyncConnectionPool(
        watched(url),
        min_size=1,
        max_size=size,
        open=False,
        timeout=WAIT,
        kwargs={"autocommit": True},
        configure=configure,
    )
    await pool.open(wait=check is None, timeout=30)
    return pool
