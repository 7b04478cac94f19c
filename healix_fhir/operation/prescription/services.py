"""The decision support services of others, by CDS Hooks: which there are, and what they say of an order.

The administrator names the address of their list (`HEALIX_CDS_URL`). Patient data goes there and nowhere else: what the
prefetch templates of a service ask for, as far as who orders may see it, and the draft. Services get no token to fetch
more with. Each call has a deadline, and an answer that is late, broken or missing is told as such.

Spec: CDS Hooks 2.0, cds-hooks.hl7.org/2.0/#discovery, #calling-a-cds-service, #trusting-cds-clients
"""

from __future__ import annotations

import asyncio
import http.client
import ssl
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.interaction.advice import Prefetch
from healix_fhir.kernel.database import Row, atransaction
from healix_fhir.kernel.endpoint import check_endpoint, resolve
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.pinned import pinned
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.prescription.templates import filled
from smart_auth.oauth.signing import ALGORITHM, SigningKeys

Json = dict[str, Any]
LARGEST = 1 << 20
"""Bytes of an answer that are read."""
REMEMBERED = 600.0
"""Seconds for which the list of services is."""
MOST = 10
"""Services that are asked."""
CARDS = 50
"""Cards of one answer that are shown."""
LIFE = 300
"""Seconds for which a token of this server is good, at most as many as the specification allows."""
SIGNING = "order-sign"


@dataclass(frozen=True, slots=True)
class Heard:
    """What one service said, or the `problem` for which it said nothing."""

    service: str
    cards: tuple[Json, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A service as its list describes it."""

    id: str
    hook: str
    title: str
    prefetch: Mapping[str, str]


@dataclass
class CdsServices:
    """The services at `url`, asked within `seconds`. `issuer` is this server's root, `keys` sign for it."""

    url: str
    pool: AsyncConnectionPool[AsyncConnection[Row]]
    keys: SigningKeys
    issuer: str
    jwks: str
    allow_private: bool
    seconds: int
    _found: tuple[float, tuple[Service, ...]] | None = field(default=None, init=False)

    async def ask(self, hook: str, context: Mapping[str, Any], prefetch: Prefetch) -> tuple[Heard, ...]:
        """What each service for the hook says."""
        try:
            listed = await self._services()
        except HealixError as error:
            return (Heard(self._host(), problem=error.message),)
        fitting = [one for one in listed if one.hook == hook][:MOST]
        if not fitting and hook == SIGNING:
            return (Heard(self._host(), problem=f"it offers no service for {hook}"),)
        return tuple(await asyncio.gather(*(self._call(one, context, prefetch) for one in fitting)))

    async def _services(self) -> tuple[Service, ...]:
        known = self._found
        if known is not None and time.monotonic() - known[0] < REMEMBERED:
            return known[1]
        answer = await self._exchange("GET", self.url, None)
        services = answer.get("services")
        if not isinstance(services, list):
            raise invalid("its list of services is none")
        listed = tuple(one for entry in services if (one := _service(entry)) is not None)
        self._found = time.monotonic(), listed
        return listed

    async def _call(self, service: Service, context: Mapping[str, Any], prefetch: Prefetch) -> Heard:
        queries = filled(service.prefetch, context)
        answers = {name: await prefetch(query) for name, query in queries.items()}
        asked = {
            "hook": service.hook,
            "hookInstance": str(uuid.uuid4()),
            "context": context,
            "prefetch": {name: answer for name, answer in answers.items() if answer is not None},
        }
        try:
            said = await self._exchange("POST", f"{self.url.rstrip('/')}/{service.id}", encode(asked))
        except HealixError as error:
            return Heard(service.title, problem=error.message)
        cards = said.get("cards")
        if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
            return Heard(service.title, problem="its answer has no cards")
        if len(cards) > CARDS:
            return Heard(service.title, problem=f"its answer has more than {CARDS} cards")
        return Heard(service.title, tuple(cards))

    async def _exchange(self, method: str, url: str, body: bytes | None) -> Json:
        """The JSON of an answer. Raises Invalid with why there is none."""
        key = await atransaction(self.pool, self.keys.current)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": url, "iat": now, "exp": now + LIFE, "jti": str(uuid.uuid4())}
        head = {"alg": ALGORITHM, "kid": key.kid, "typ": "JWT", "jku": self.jwks}
        token = jwt.encode(head, claims, key, algorithms=[ALGORITHM])
        return await asyncio.to_thread(self._send, method, url, body, token)

    def _send(self, method: str, url: str, body: bytes | None, token: str) -> Json:
        try:
            endpoint = check_endpoint(url, allow_private=self.allow_private)
            address = resolve(endpoint.host, endpoint.port, allow_private=self.allow_private)
            headers = {"User-Agent": "Healix", "Accept": "application/json", "Authorization": f"Bearer {token}"}
            if body is not None:
                headers["Content-Type"] = "application/json"
            with pinned(endpoint, address, deadline=self.seconds) as connection:
                path = (endpoint.path or "/") + (f"?{endpoint.query}" if endpoint.query else "")
                connection.request(method, path, body=body, headers=headers)
                reply = connection.getresponse()
                if not 200 <= reply.status < 300:
                    raise invalid(f"it answers with the status {reply.status}")
                read = reply.read(LARGEST + 1)
        except ssl.SSLCertVerificationError as error:
            raise invalid("its certificate is not valid") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise invalid(f"it does not answer within {self.seconds} seconds, or not at all") from error
        if len(read) > LARGEST:
            raise invalid(f"its answer has more than {LARGEST} bytes")
        return decode(read)

    def _host(self) -> str:
        return self.url.partition("//")[2].partition("/")[0] or self.url


def _service(entry: object) -> Service | None:
    """A service; None for what cannot be called."""
    if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in ("id", "hook")):
        return None
    id_ = entry["id"]
    if not id_ or any(not (letter.isalnum() or letter in "-_.~") or not letter.isascii() for letter in id_):
        return None
    title = entry.get("title") or entry.get("description") or id_
    asked = entry.get("prefetch")
    prefetch = asked if isinstance(asked, dict) else {}
    return Service(
        id_,
        entry["hook"],
        str(title)[:200],
        {str(name): query for name, query in prefetch.items() if isinstance(query, str)},
    )
