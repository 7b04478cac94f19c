"""Hears of events from PostgreSQL while there are channels that wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from dicomweb.workitem.announce import CHANNEL
from healix_fhir.kernel.listening import Listener

UNHEARD = "events of the worklist are not heard; channels look for them now and then"


class Listening:
    """Wakes the channels of one web process by their AE titles. `url` is the database's."""

    def __init__(self, url: str) -> None:
        self._waiting: dict[asyncio.Event, str] = {}
        self._listener = Listener(url, CHANNEL, self._wake, began=lambda: self._wake(""), unheard=UNHEARD)

    @contextmanager
    def waking(self, wake: asyncio.Event, aet: str) -> Iterator[None]:
        """Set `wake` for each event that the title is told of, until the block ends."""
        self._waiting[wake] = aet
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

    def _wake(self, receivers: str) -> None:
        named = frozenset(receivers.split("\\")) if receivers else None
        for wake, aet in self._waiting.items():
            if named is None or aet in named:
                wake.set()
