"""Whether the server lives and whether it serves, for supervisors and load balancers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from healix_fhir.kernel.database import Row
from healix_fhir.server.migrate import OLDEST, head

PATIENCE = 3.0
OTHER = "the database's schema is not of this version"

Pool = AsyncConnectionPool[AsyncConnection[Row]]


def routes(pool: Pool) -> list[BaseRoute]:
    """`/healthz` and `/readyz`; both need no token and tell nothing but yes or no."""
    return [Route("/healthz", alive, methods=["GET"]), Route("/readyz", _ready(pool), methods=["GET"])]


async def alive(_: Request) -> Response:
    """200 as long as the process answers at all."""
    return JSONResponse({"status": "alive"})


def _ready(pool: Pool) -> Callable[[Request], object]:
    """200 only when the database answers and has the schema of this version, or a later one that supports it."""

    async def ready(_: Request) -> Response:
        reason = await _missing(pool)
        if reason is not None:
            return JSONResponse({"status": "unavailable", "reason": reason}, 503, headers={"Retry-After": "5"})
        return JSONResponse({"status": "ready"})

    return ready


async def _missing(pool: Pool) -> str | None:
    try:
        async with asyncio.timeout(PATIENCE), pool.connection(timeout=PATIENCE) as connection:
            cursor = await connection.execute("SELECT version_num FROM alembic_version")
            at = await cursor.fetchone()
            if at is not None and at[0] > head():
                at = await (await connection.execute(OLDEST)).fetchone()
                return None if at is not None and at[0] <= head() else OTHER
    except psycopg.errors.UndefinedTable:
        return "the database has no schema yet"
    except (psycopg.Error, PoolTimeout, TimeoutError, OSError):
        return "the database does not answer"
    return None if at is not None and at[0] == head() else OTHER
