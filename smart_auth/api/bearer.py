"""The gate of every request: a bearer token in, an AccessContext out.

Tokens that are not remembered and arrive together are looked up with one statement. A process remembers good tokens
for `REMEMBERED` seconds at most, and only while it listens for revocations: when the connection that listens is away,
every request asks the database. An unknown, an expired and a revoked token are answered alike.

Spec: RFC 6750 section 2.1 and 3; SMART App Launch 2.2
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.coalesce import Coalescer
from healix_fhir.kernel.database import Lent, Row, arun
from healix_fhir.kernel.errors import Category, HealixError, unauthenticated
from smart_auth.access import AccessContext
from smart_auth.api.revocations import Revocations
from smart_auth.denials import Denials
from smart_auth.oauth.limits import BEARER
from smart_auth.oauth.throttle import Throttle
from smart_auth.queries import CLOSED, Conditions
from smart_auth.several import written
from smart_auth.store import Found, digest, find

REMEMBERED = 10.0
CAPACITY = 20_000
LONGEST = 512

NO_TOKEN = "an access token is needed: Authorization: Bearer …"  # noqa: S105 - a message
BAD_TOKEN = "the access token is not valid"  # noqa: S105 - a message


class TokenGate:
    """Checks the tokens of one web process over `pool`; `start` and `stop` it with the application.

    `url` is the database's, for a connection that only listens. `throttle` counts what is limited, `conditions` reads
    the queries of scopes. `denials` is where refusals are audited: the HTTP edge tells it of Forbidden answers.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection[Row]],
        url: str,
        throttle: Throttle | None = None,
        conditions: Conditions = CLOSED,
    ) -> None:
        self._pool = pool
        self.throttle = throttle or Throttle(pool)
        self.conditions = conditions
        self._lookups: Coalescer[bytes, Found | None] = Coalescer(self._find, limit=64, flights=2)
        self._known: dict[bytes, tuple[AccessContext, float]] = {}
        self._revocations = Revocations(url, self._forget)
        self._watching: set[Callable[[], None]] = set()
        self.denials = Denials(pool)

    async def start(self) -> None:
        """Begin to listen for revocations; until then nothing is remembered."""
        await self._revocations.start()

    @property
    def listening(self) -> bool:
        """Whether revocations are heard, so that good tokens are remembered."""
        return self._revocations.listening

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` whenever a token may have stopped being good, until what is returned is called."""
        self._watching.add(wake)
        return partial(self._watching.discard, wake)

    async def stop(self) -> None:
        """Stop listening and write what is left of the refusals."""
        await self._revocations.stop()
        await self.denials.stop()

    async def access(
        self, headers: Mapping[bytes, bytes], address: str | None = None, request_id: str | None = None
    ) -> AccessContext:
        """What the token in `headers` (by lower-case name) opens, with who asks from where filled in.

        Raises Unauthenticated, after the refusal is audited; Busy instead where the address came with too many tokens
        that are not good; Unavailable when the database does not answer.
        """
        token = _token(headers)
        found = await self.of_hash(digest(token), address, request_id) if token else None
        if found is None:
            await self.denials.refused(Origin(address=address, request=request_id), "token")
            if token is None:
                raise unauthenticated(NO_TOKEN)
            await self.throttle.hit(BEARER, address=address)
            raise unauthenticated(BAD_TOKEN)
        return found

    def recognise(self, headers: Mapping[bytes, bytes]) -> bytes | None:
        """The hash of the token in `headers`, if it was good here not long ago; whether it still is, `access` says."""
        token = _token(headers)
        hashed = digest(token) if token else None
        return hashed if hashed in self._known else None

    async def of_hash(self, hashed: bytes, address: str | None, request_id: str | None) -> AccessContext | None:
        """What the token with this hash opens, for who came by it otherwise; None where it is not good (any more).

        Raises Unavailable when the database does not answer.
        """
        known = self._known.get(hashed)
        if known is not None and known[1] > time.monotonic():
            return self._asked(known[0], address, request_id)
        found = await self._look_up(hashed)
        return self._asked(found.access, address, request_id) if found is not None else None

    async def _look_up(self, hashed: bytes) -> Found | None:
        age = self._revocations.age
        try:
            found = await self._lookups.ask(hashed)
        except psycopg.OperationalError as error:
            raise HealixError(
                Category.UNAVAILABLE, "the database does not answer; try again", detail=str(error), retry_after=2
            ) from error
        if found is not None and self.listening and self._revocations.age == age:
            if len(self._known) >= CAPACITY:
                self._known.clear()
            self._known[hashed] = found.access, time.monotonic() + min(REMEMBERED, found.seconds)
        return found

    async def _find(self, hashes: Sequence[bytes]) -> Sequence[Found | Exception | None]:
        async with Lent(self._pool) as connection:  # one statement, so its own transaction
            found = await arun(connection, find(hashes))
        return [found.get(hashed) for hashed in hashes]

    def _asked(self, access: AccessContext, address: str | None, request_id: str | None) -> AccessContext:
        origin = access.origin
        asked = Origin(origin.client, origin.account, address, request_id, origin.token)
        several = None if access.several is None else access.several | written()
        return msgspec.structs.replace(access, origin=asked, conditions=self.conditions, several=several)

    def _forget(self, hashed: bytes | None) -> None:
        if hashed is None:
            self._known.clear()
        else:
            self._known.pop(hashed, None)
        for wake in tuple(self._watching):
            wake()


def _token(headers: Mapping[bytes, bytes]) -> str | None:
    """The bearer token; empty when the header is there, but is no well-formed bearer token."""
    value = headers.get(b"authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or not 0 < len(token) <= LONGEST or not token.isascii():
        return ""
    return token.decode()
