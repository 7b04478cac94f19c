"""Key sets that clients publish at a URL: fetched through the guard against internal addresses, and remembered.

A key set is fetched anew when it is old, or when an assertion names a key that it does not have, though not more often
than every `SOONEST` seconds, so that made-up names cost the client's server nothing.

Spec: SMART App Launch 2.2 client-confidential-asymmetric.html; RFC 7517 5
"""

from __future__ import annotations

import asyncio
import http.client
import time
from dataclasses import dataclass

from joserfc.jwk import KeySet

from healix_fhir.kernel.endpoint import check_endpoint, resolve
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.pinned import pinned
from smart_auth.oauth.keysets import LARGEST, parse_keys
from smart_auth.oauth.refusal import OAuthError, Reason

REMEMBERED = 300.0
SOONEST = 10.0
DEADLINE = 8.0
CAPACITY = 1000


@dataclass(frozen=True, slots=True)
class _Fetched:
    at: float
    keys: KeySet | None  # None: they could not be had
    reason: str = ""


class RemoteKeys:
    """The key sets that one process has fetched. `allow_private`: also from private networks and without TLS."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._fetched: dict[str, _Fetched] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def keys(self, url: str, kid: str) -> KeySet:
        """The keys at `url`, where one `kid` is expected. Raises OAuthError (invalid_client) when there are none."""
        async with self._locks.setdefault(url, asyncio.Lock()):
            known = self._fetched.get(url)
            if known is None or _is_stale(known, kid):
                known = await asyncio.to_thread(self._fetch, url)
                if len(self._fetched) >= CAPACITY:
                    self._fetched.clear()
                self._fetched[url] = known
        if known.keys is None:
            raise OAuthError(Reason.INVALID_CLIENT, f"the client's keys cannot be fetched: {known.reason}")
        return known.keys

    def _fetch(self, url: str) -> _Fetched:
        try:
            return _Fetched(time.monotonic(), parse_keys(_get(url, allow_private=self._allow_private)))
        except HealixError as error:
            return _Fetched(time.monotonic(), None, error.message)
        except (OSError, http.client.HTTPException, ValueError):
            return _Fetched(time.monotonic(), None, "their address does not answer")


def _is_stale(known: _Fetched, kid: str) -> bool:
    age = time.monotonic() - known.at
    complete = known.keys is not None and any(key.kid == kid for key in known.keys.keys)
    return age > (REMEMBERED if complete else SOONEST)


def _get(url: str, *, allow_private: bool) -> bytes:
    endpoint = check_endpoint(url, allow_private=allow_private)
    address = resolve(endpoint.host, endpoint.port, allow_private=allow_private)
    path = (endpoint.path or "/") + (f"?{endpoint.query}" if endpoint.query else "")
    with pinned(endpoint, address, deadline=DEADLINE) as connection:
        connection.request("GET", path, headers={"User-Agent": "Healix", "Accept": "application/json"})
        reply = connection.getresponse()
        if reply.status != 200:
            raise invalid(f"their address answers with the status {reply.status}")
        return reply.read(LARGEST + 1)
