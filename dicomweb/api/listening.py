"""Hears of events from PostgreSQL, on a connection of its own, while there are channels that wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import structlog
from psycopg import AsyncConnection

from dicomweb.workitem.announce import CHANNEL

AGAIN = 1.0
log = structlog.get_logger("worklist")


class Listening:
    """Wakes the channels of one web process by their AE titles. `url` is the database's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._task: asyncio.Task[None] | None = None
        self._waiting: dict[asyncio.Event, str] = {}

    @contextmanager
    def waking(self, wake: asyncio.Event, aet: str) -> Iterator[None]:
        """Set `wake` for each event that the title is told of, until the block ends."""
        self._waiting[wake] = aet
        if self._task is None:
            self._task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            del self._waiting[wake]
            if not self._waiting:
                self._task.cancel()
                self._task = None

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
                    self._wake("")
                    async for notice in connection.notifies():
                        self._wake(notice.payload)
            except psycopg.OperationalError:
                log.warning("events of the worklist are not heard; channels look for them now and then")
            await asyncio.sleep(AGAIN)

    def _wake(self, receivers: str) -> None:
        named = frozenset(receivers.split("\\")) if receivers else None
        for wake, aet in self._waiting.items():
            if named is None or aet in named:
                wake.set()
