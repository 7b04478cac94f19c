"""The least that a server could do: a Starlette application with one point query and one durable insert, no more.

`python -m tests.bench.bare_app PORT DATABASE_URL` serves it under the same uvicorn as a web worker of Healix.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from healix_fhir.kernel.database import Row, open_async_pool
from healix_fhir.model.definitions import TYPE_ID

CONNECTIONS = 16
JSON = "application/fhir+json"
SELECT = f"SELECT body FROM resource WHERE id = %s AND type = {TYPE_ID['Observation']}"


def create_app(url: str) -> Starlette:
    """The application over the database of `url`."""
    pools: list[AsyncConnectionPool[AsyncConnection[Row]]] = []

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        pool = await open_async_pool(url, size=CONNECTIONS)
        async with pool.connection() as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, body bytea NOT NULL)")
        pools.append(pool)
        yield
        await pool.close()

    async def read(request: Request) -> Response:
        async with pools[0].connection() as connection:
            row = await (await connection.execute(SELECT, (request.path_params["id"],))).fetchone()
        return Response(row[0], media_type=JSON) if row else Response(status_code=404)

    async def create(request: Request) -> Response:
        body = await request.body()
        async with pools[0].connection() as connection:
            await connection.execute("INSERT INTO bare (body) VALUES (%s)", (body,))
        return Response(body, 201, media_type=JSON)

    async def alive(_: Request) -> Response:
        return Response()

    routes = [
        Route("/", alive),
        Route("/fhir/Observation/{id}", read),
        Route("/fhir/Observation", create, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


if __name__ == "__main__":
    app = create_app(sys.argv[2])
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_config=None, access_log=False)
