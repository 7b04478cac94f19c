"""Whose scripts may read the APIs from a browser: those of registered apps, by the origins of their addresses.

An answer is remembered for `KNOWN` seconds, so that a new app is let in soon, and a closed one kept out. While the
database does not answer, nothing new is allowed.

Spec: SMART App Launch 2.2 app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support
"""

from __future__ import annotations

import re
import time

import psycopg

from healix_fhir.kernel.database import Statement, Work, aat_once
from healix_fhir.server.health import Pool

ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|https?://\[[0-9a-fA-F:.]{2,45}\](:[0-9]{1,5})?")
"""Spec: RFC 6454 6.2"""
ANY = "*"
KNOWN, MOST = 15.0, 1000

REGISTERED = """SELECT EXISTS (
  SELECT FROM client c, unnest(c.redirect_uris || c.launch_uri) AS u
  WHERE NOT c.disabled AND rtrim(substr(u, 1, length(%(origin)s) + 1), '/?') = %(origin)s)"""


class Origins:
    """The origins of one web process; `further` are allowed beside those of apps, `*` among them allows all."""

    def __init__(self, further: str = "") -> None:
        self._further = frozenset(further.replace(",", " ").split())
        self._pool: Pool | None = None
        self._known: dict[str, tuple[bool, float]] = {}

    def use(self, pool: Pool) -> None:
        """Ask this database which apps are registered."""
        self._pool = pool

    async def allows(self, origin: str) -> bool:
        """Whether a script of `origin` may read what the APIs answer."""
        if ANY in self._further or origin in self._further:
            return True
        if not ORIGIN.fullmatch(origin) or self._pool is None:
            return False
        known = self._known.get(origin)
        if known is None or known[1] < time.monotonic():
            try:
                allowed = await aat_once(self._pool, _registered(origin))
            except psycopg.Error:
                return False
            if len(self._known) >= MOST:
                self._known.clear()
            known = self._known[origin] = allowed, time.monotonic() + KNOWN
        return known[0]


def _registered(origin: str) -> Work[bool]:
    rows = yield Statement(REGISTERED, {"origin": origin})
    return bool(rows[0][0])
