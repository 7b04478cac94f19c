"""What open connections of one web process share: who is woken by what, how many there may be, and when they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.connections import Caller, counted
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import forbidden, unauthenticated
from healix_fhir.kernel.waking import Waking
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


def waking(url: str) -> Waking:
    """What wakes who waits for events of Subscriptions, by their ids."""
    return Waking(url, CHANNEL, separator=" ", unheard=UNHEARD)


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
    open: Counter[Caller] = field(default_factory=Counter)

    @property
    def root(self) -> str:
        """The server's root."""
        return self.base.removesuffix("/fhir")

    def counted(self, who: Caller) -> AbstractContextManager[None]:
        """Count a connection of a caller while the block runs. Raises Busy where there are too many."""
        return counted(self.open, who, most=MOST, most_of_one=MOST_OF_ONE, kind="open connections")

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
