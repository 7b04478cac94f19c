"""What open connections of one web process share: who is woken by what, how many there may be, and when they end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import Category, HealixError, forbidden, unauthenticated
from healix_fhir.kernel.listening import Listener
from healix_fhir.subscription.queue import CHANNEL
from smart_auth.access import AccessContext
from smart_auth.challenge import Refusals

MOST, MOST_OF_ONE = 1000, 20
"""Connections of one web process, and of one app and person, or one address without either, in it."""
PULSE = 10.0
"""Seconds between looks at the store and the token, whether or not something was heard."""
STALL = 30.0
"""Seconds after which a reader who takes nothing is cut off."""
UNHEARD = "events of Subscriptions are not heard; open connections look for them now and then"
ENDED = "the access token is not valid"


class Gate(Protocol):
    """What is asked of tokens, over and over."""

    @property
    def denials(self) -> Refusals:
        """The audit trail of refusals."""

    async def access(
        self, headers: Mapping[bytes, bytes], address: str | None, request_id: str | None
    ) -> AccessContext:
        """Who asks. Raises Unauthenticated."""

    async def of_hash(self, hashed: bytes, address: str | None, request_id: str | None) -> AccessContext | None:
        """What the token with this hash opens."""

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` whenever a token may have ended."""


class Waking:
    """Wakes who waits for events of Subscriptions, from whichever node they come. `url` is the database's."""

    def __init__(self, url: str) -> None:
        self._waiting: dict[asyncio.Event, Collection[str]] = {}
        self._listener = Listener(url, CHANNEL, self._wake, began=lambda: self._wake(""), unheard=UNHEARD)

    @contextmanager
    def waking(self, wake: asyncio.Event, subscriptions: Collection[str]) -> Iterator[None]:
        """Set `wake` for events of `subscriptions`, which may change, until the block ends."""
        self._waiting[wake] = subscriptions
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

    def _wake(self, ids: str) -> None:
        named = frozenset(ids.split())
        for wake, subscriptions in self._waiting.items():
            if not named or not named.isdisjoint(subscriptions):
                wake.set()


@dataclass
class Live:
    """The open connections of one web process.

    `base` is the FHIR base URL, `allows` tells whether scripts of an origin may open one, `cookie` is the name of that
    of a session.
    """

    pool: AsyncConnectionPool[AsyncConnection[Row]]
    gate: Gate
    waking: Waking
    base: str
    allows: Callable[[str], Awaitable[bool]]
    cookie: str
    open: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)

    @property
    def root(self) -> str:
        """The server's root."""
        return self.base.removesuffix("/fhir")

    @contextmanager
    def counted(self, who: tuple[str | None, str | None]) -> Iterator[None]:
        """Count a connection of a caller while the block runs. Raises Busy where there are too many."""
        if self.open.total() >= MOST or self.open[who] >= MOST_OF_ONE:
            message = "there are too many open connections; close one, or try again later"
            raise HealixError(Category.BUSY, message, retry_after=60)
        self.open[who] += 1
        try:
            yield
        finally:
            self.open[who] -= 1
            if not self.open[who]:
                del self.open[who]

    async def check_origin(self, origin: bytes | None) -> None:
        """Only scripts of this server and of registered apps open connections. Spec: RFC 6455 10.2"""
        if origin is None or origin.decode("latin-1") == self.root:
            return
        if not await self.allows(origin.decode("latin-1")):
            raise forbidden("scripts of this origin may not open a connection")

    async def again(self, hashed: bytes, address: str | None, number: str) -> AccessContext:
        """The access of the token with this hash, now. Raises Unauthenticated once it has ended."""
        access = await self.gate.of_hash(hashed, address, number)
        if access is None:
            raise unauthenticated(ENDED)
        return access
