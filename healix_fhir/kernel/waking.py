"""Waking who waits for what PostgreSQL notifies of, by the names that a notification carries, from whichever node."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from healix_fhir.kernel.listening import Listener


async def woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait until `wake` is set, at most `seconds`.

    Not by asyncio.wait_for, which before Python 3.12 loses a cancellation that comes together with what it waits for.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()


class Waking:
    """Wakes by names of `channel`, which stand between `separator`s; a notification without names wakes all.

    `url` is the database's. It listens while somebody waits; `unheard` is logged when it cannot.
    """

    def __init__(self, url: str, channel: str, *, separator: str, unheard: str) -> None:
        self._separator = separator
        self._waiting: dict[asyncio.Event, Collection[str]] = {}
        self._listener = Listener(url, channel, self._wake, began=lambda: self._wake(""), unheard=unheard)

    @contextmanager
    def waking(self, wake: asyncio.Event, names: Collection[str]) -> Iterator[None]:
        """Set `wake` whenever one of `names`, which may change, is told of, until the block ends."""
        self._waiting[wake] = names
        self._listener.start()
        try:
            yield
        finally:
            del self._waiting[wake]
            if not self._waiting:
                self._listener.cancel()

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()

    def _wake(self, told: str) -> None:
        named = frozenset(told.split(self._separator)) if told else None
        for wake, names in self._waiting.items():
            if named is None or not named.isdisjoint(names):
                wake.set()
