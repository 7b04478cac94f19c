"""Logging in with username and password, up to the second step where there is one.

A wrong password, an unknown name and a closed account are answered alike and take the same time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Work, atransaction
from healix_fhir.kernel.errors import HealixError, unauthenticated
from smart_auth.denials import Denials
from smart_auth.oauth.factors.held import held
from smart_auth.oauth.factors.methods import PASSWORD
from smart_auth.oauth.factors.pending import NOWHERE, Goal, begin
from smart_auth.oauth.limits import LOGIN
from smart_auth.oauth.passwords import Verifier
from smart_auth.oauth.sessions import close_session, open_session, take_over
from smart_auth.oauth.throttle import Hit, Throttle, right
from smart_auth.oauth.tokens import end_online
from smart_auth.store import Account, digest, find_account

WRONG = "The username or the password is not right."
LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class Entered:
    """The login is done; the secret of the new session."""

    secret: str


@dataclass(frozen=True, slots=True)
class Halfway:
    """The password was right and more has to be shown; the secret of the login that waits for it."""

    secret: str


@dataclass(frozen=True, slots=True)
class Login:
    """A name and a password, the session that the browser has already, and where it wants to go.

    `required` are the roles that have to have a second factor; `stronger` says that this login has to have one.
    """

    username: str
    password: str
    earlier: str | None = None
    goal: Goal = NOWHERE
    required: frozenset[str] = frozenset()
    stronger: bool = False


async def log_in(
    pool: AsyncConnectionPool[AsyncConnection[Row]],
    verifier: Verifier,
    throttle: Throttle,
    denials: Denials,
    login: Login,
    origin: Origin,
) -> Entered | Halfway:
    """Check a password. Raises Unauthenticated, Busy when too many guesses were made."""
    username = login.username.strip().lower()[:LONGEST_NAME]
    origin = Origin(origin.client, username, origin.address, origin.request)
    try:
        counted = await throttle.hit(LOGIN, account=username, address=origin.address)
    except HealixError:
        await denials.refused(origin, "login")
        raise
    found = await atransaction(pool, lambda: find_account(username))
    if not await verifier.matches(login.password, found[1] if found else None):
        await denials.refused(origin, "login")
        raise unauthenticated(WRONG)
    assert found is not None  # nobody's password matches
    account = found[0]
    return await atransaction(pool, lambda: _known(account, login, counted, origin))


def enter(username: str, methods: Collection[str], origin: Origin, earlier: str | None) -> Work[str]:
    """Open the session of a person who has shown all that is asked; it follows on the browser's `earlier` one."""
    secret = yield from open_session(username, methods)
    if earlier is not None:
        before = yield from take_over(earlier, secret, username)
        if before is not None and before != username:  # somebody else sat here before
            yield from end_online(before, [digest(earlier)])
    yield record([AuditRow(origin, "E", "login", query=" ".join(methods))])
    return secret


def log_out(secret: str, origin: Origin) -> Work[None]:
    """End a session, with what apps have for as long as it lasts, and audit it."""
    username = yield from close_session(secret)
    if username is not None:
        yield from end_online(username, [digest(secret)])
    yield record([AuditRow(origin, "E", "logout")])


def _known(account: Account, login: Login, counted: Hit, origin: Origin) -> Work[Entered | Halfway]:
    """What comes after the right password. An address is familiar only where a login came to its end."""
    if login.stronger or account.role in login.required or (yield from held(account.username)).any:
        yield right(dataclasses.replace(counted, known=()))
        return Halfway((yield from begin(account.username, (PASSWORD,), login.goal)))
    yield right(counted)
    return Entered((yield from enter(account.username, (PASSWORD,), origin, login.earlier)))
