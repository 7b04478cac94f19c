"""Hears of revoked tokens from PostgreSQL, on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
import structlog
from psycopg import AsyncConnection

from smart_auth.store import CHANNEL

AGAIN = 1.0
log = structlog.get_logger("tokens")


class Revocations:
    """Calls `forget` with the hash of each token that is announced, with None when any may have changed.

    `age` changes with each announcement, so that what was read before one is not remembered after it. `listening`
    is False while announcements may be missed.
    """

    def __init__(self, url: str, forget: Callable[[bytes | None], None]) -> None:
        self._url = url
        self._forget = forget
        self._task: asyncio.Task[None] | None = None
        self.age = 0
        self.listening = False

    async def start(self) -> None:
        """Listen until `stop`, connecting again whenever the connection is lost."""
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while True:
            try:
                async with await AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._announce(None)
                    self.listening = True
                    async for notice in connection.notifies():
                        self._announce(bytes.fromhex(notice.payload) if notice.payload else None)
            except psycopg.OperationalError:
                log.warning("revocations are not heard; every token is looked up")
            finally:
                self.listening = False
                self._announce(None)
            await asyncio.sleep(AGAIN)

    def _announce(self, hashed: bytes | None) -> None:
        self.age += 1
        self._forget(hashed)
