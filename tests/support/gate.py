"""Tokens, and the gate that checks them, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, Connection
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from healix_fhir.kernel.database import Row, open_async_pool, transaction
from smart_auth.api.bearer import TokenGate
from smart_auth.store import create_token, create_user

Pool = ConnectionPool[Connection[Row]]
AsyncPool = AsyncConnectionPool[AsyncConnection[Row]]
DEADLINE = 60.0


def token(pool: Pool, scope: str, **arguments: Any) -> str:
    """A new access token."""
    return transaction(pool, lambda: create_token(scope, **arguments))


def user(pool: Pool, username: str, *, role: str, fhir_user: str | None = None, password_hash: str = "!") -> None:
    """A new account."""
    transaction(pool, lambda: create_user(username, role=role, fhir_user=fhir_user, password_hash=password_hash))


def header(value: str) -> dict[bytes, bytes]:
    """Request headers with a bearer token."""
    return {b"authorization": f"Bearer {value}".encode()}


async def heard(gate: TokenGate, expected: bool) -> None:
    """Wait until the gate hears revocations, or does not."""
    for _ in range(int(DEADLINE / 0.01)):
        if gate.listening is expected:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"listening is still {gate.listening}")


@asynccontextmanager
async def open_gate(url: str) -> AsyncIterator[TokenGate]:
    """A gate that hears of revocations."""
    pool: AsyncPool = await open_async_pool(url, size=2)
    gate = TokenGate(pool, url)
    await gate.start()
    await heard(gate, True)
    try:
        yield gate
    finally:
        await gate.stop()
        await pool.close()
