"""What reads, writes and transactions cost, beside the least that a server could do for the same job.

Without HTTP, whose cost both variants share, a bare statement looks better than it does to a caller; the bounds here
only catch a fall.

Each benchmark alternates its variants and prints medians. The embedded PostgreSQL runs with its normal durability.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable

import pytest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.interaction.result import Return
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import Row, open_async_pool
from tests.support.fhir_server import BASE, SYSTEM, body
from tests.support.resources import observation, synthea_bundles

pytestmark = pytest.mark.bench

CALLERS = 16
ROUNDS = 7
PER_ROUND = 1600
AsyncPool = AsyncConnectionPool[AsyncConnection[Row]]


async def rate(call: Callable[[], Awaitable[object]]) -> float:
    """Calls per second from CALLERS concurrent callers."""
    numbers = iter(range(PER_ROUND))

    async def caller() -> None:
        for _ in numbers:
            await call()

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return PER_ROUND / (time.perf_counter() - started)


async def compare(name: str, variants: dict[str, Callable[[], Awaitable[object]]]) -> dict[str, float]:
    """The median rate of each variant over alternating rounds, printed."""
    rates: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(ROUNDS):
        for variant, call in variants.items():
            rates[variant].append(await rate(call))
    medians = {variant: statistics.median(found) for variant, found in rates.items()}
    print(f"\n{name}: " + ", ".join(f"{variant} {median:,.0f}/s" for variant, median in medians.items()))
    return medians


def test_read(durable_url: str) -> None:
    """A read with access and a durable audit row beside a bare point query that has neither."""

    async def main() -> dict[str, float]:
        pool = await open_async_pool(durable_url, size=CALLERS)
        server = Interactions(pool, (BASE,))
        made = [await server.create(SYSTEM, "Observation", body(observation("Patient/p"))) for _ in range(200)]
        ids = itertools.cycle([one.stored.id for one in made])

        async def bare() -> object:
            async with pool.connection() as connection:
                cursor = await connection.execute("SELECT body FROM resource WHERE id = %s AND type = 91", (next(ids),))
                return await cursor.fetchone()

        found = await compare(
            "read, 16 concurrent",
            {"coalesced, audited": lambda: server.read(SYSTEM, "Observation", next(ids)), "bare point query": bare},
        )
        await pool.close()
        return found

    found = asyncio.run(main())
    assert found["coalesced, audited"] >= 0.4 * found["bare point query"]


def test_create(durable_url: str) -> None:
    """A validated, indexed and audited create beside a bare durable insert of the same bytes."""
    sent = body(observation("Patient/p"))

    async def main() -> dict[str, float]:
        pool = await open_async_pool(durable_url, size=CALLERS)
        server = Interactions(pool, (BASE,))
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, body bytea)")

        async def bare() -> object:
            async with pool.connection() as connection:
                return await connection.execute("INSERT INTO bare (body) VALUES (%s)", (sent,))

        found = await compare(
            "create of an Observation, 16 concurrent",
            {"grouped": lambda: server.create(SYSTEM, "Observation", sent), "bare insert": bare},
        )
        await pool.close()
        return found

    found = asyncio.run(main())
    assert found["grouped"] >= 0.25 * found["bare insert"]


def test_transaction(durable_url: str) -> None:
    """Synthea bundles through one process; the issue asks for 1,200 resources/s over two."""
    lines = synthea_bundles()

    async def main() -> float:
        pool = await open_async_pool(durable_url, size=4)
        server = Interactions(pool, (BASE,))
        rates = []
        for line in lines:
            started = time.perf_counter()
            page = await server.bundle(SYSTEM, line, returns=Return.MINIMAL)
            rates.append(len(page.entries) / (time.perf_counter() - started))
        await pool.close()
        return statistics.median(rates)

    median = asyncio.run(main())
    print(f"\ntransaction of a Synthea bundle: {median:,.0f} resources/s in one process")
    assert median >= 600
