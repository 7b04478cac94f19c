"""Logging in with username and password.

A wrong password, an unknown name and a closed account are answered alike and take the same time.
"""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Work, atransaction
from healix_fhir.kernel.errors import HealixError, unauthenticated
from smart_auth.denials import Denials
from smart_auth.oauth.limits import LOGIN
from smart_auth.oauth.passwords import Verifier
from smart_auth.oauth.sessions import close_session, open_session
from smart_auth.oauth.throttle import Hit, Throttle, right
from smart_auth.store import find_account

WRONG = "The username or the password is not right."
LONGEST_NAME = 128


async def log_in(
    pool: AsyncConnectionPool[AsyncConnection[Row]],
    verifier: Verifier,
    throttle: Throttle,
    denials: Denials,
    username: str,
    password: str,
    origin: Origin,
) -> str:
    """The secret of a new session. Raises Unauthenticated, Busy when too many guesses were made."""
    username = username.strip().lower()[:LONGEST_NAME]
    origin = Origin(origin.client, username, origin.address, origin.request)
    try:
        counted = await throttle.hit(LOGIN, account=username, address=origin.address)
    except HealixError:
        await denials.refused(origin, "login")
        raise
    found = await atransaction(pool, lambda: find_account(username))
    if not await verifier.matches(password, found[1] if found else None):
        await denials.refused(origin, "login")
        raise unauthenticated(WRONG)
    return await atransaction(pool, lambda: _open(username, counted, origin))


def log_out(secret: str, origin: Origin) -> Work[None]:
    """End a session and audit it."""
    yield from close_session(secret)
    yield record([AuditRow(origin, "E", "logout")])


def _open(username: str, counted: Hit, origin: Origin) -> Work[str]:
    secret = yield from open_session(username)
    yield right(counted)
    yield record([AuditRow(origin, "E", "login")])
    return secret
