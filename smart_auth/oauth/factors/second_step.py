"""The second step of a login, and the login by a passkey alone: what is shown, then the session.

What is used up (a code, the waiting itself) is used up in the transaction that opens the session: of steps taken at
the same time one is let in. Whatever is wrong with a factor is answered alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Work, atransaction
from healix_fhir.kernel.errors import HealixError, unauthenticated
from smart_auth.account.home import Home
from smart_auth.denials import Denials
from smart_auth.oauth.factors import passkeys, recovery, totp
from smart_auth.oauth.factors.held import WORD, held
from smart_auth.oauth.factors.methods import ONE_TIME_CODE, SEVERAL
from smart_auth.oauth.factors.notices import tell
from smart_auth.oauth.factors.party import RelyingParty, read_signed
from smart_auth.oauth.factors.passkeys import Challenge
from smart_auth.oauth.factors.pending import OVER, Waiting, finish
from smart_auth.oauth.factors.refusal import not_proved
from smart_auth.oauth.limits import LOGIN, SECOND_FACTOR
from smart_auth.oauth.login import enter
from smart_auth.oauth.seal import Seal
from smart_auth.oauth.throttle import Hit, Throttle, right

REFUSED = "second-factor"
"""Under this word refused factors stand in the audit trail."""

Pool = AsyncConnectionPool[AsyncConnection[Row]]


@dataclass(frozen=True, slots=True)
class Proof:
    """Whose the factor was that was shown, and by which methods it proves that."""

    username: str
    methods: tuple[str, ...]


Factor = Callable[[], Work[Proof]]
"""Uses up what was shown. Raises Unauthenticated."""


@dataclass(frozen=True, slots=True)
class Door:
    """What guards logins in one process."""

    pool: Pool
    throttle: Throttle
    denials: Denials


def code_of_app(seal: Seal, username: str, code: str) -> Factor:
    """A code of the authenticator app."""

    def shown() -> Work[Proof]:
        if not (yield from totp.accept(seal, username, code, time.time())):
            raise not_proved()
        return Proof(username, (ONE_TIME_CODE,))

    return shown


def recovery_code(home: Home, username: str, code: str, origin: Origin) -> Factor:
    """A recovery code; that one is gone stands in the audit trail, and its owner is told."""

    def shown() -> Work[Proof]:
        if not (yield from recovery.use(username, code)):
            raise not_proved()
        left = (yield from held(username)).codes.left
        yield record([AuditRow(origin, "U", WORD, query=f"recovery code used, {left} left")])
        yield from tell(home, username, f"A recovery code was used to sign in; {left} are left.")
        return Proof(username, ())

    return shown


def passkey(party: RelyingParty, username: str | None, value: Challenge | None, answer: str) -> Factor:
    """A passkey that has signed a challenge: of the account `username`, or of whichever it is."""

    def shown() -> Work[Proof]:
        if value is None:
            raise not_proved("no challenge waits for a passkey")
        found = yield from passkeys.show(party, value.value, read_signed(answer), username)
        return Proof(found.username, (found.method,))

    return shown


async def take(door: Door, secret: str, waiting: Waiting, factor: Factor, origin: Origin, earlier: str | None) -> str:
    """The secret of a new session, instead of the `earlier` one of the browser. Raises Unauthenticated, Busy."""
    username = waiting.account.username

    def work(counted: Hit) -> Work[str]:
        proof = yield from factor()
        if not (yield from finish(secret)):
            raise unauthenticated(OVER)
        yield right(counted)
        return (yield from enter(username, (*waiting.methods, *proof.methods, SEVERAL), origin, earlier))

    try:
        counted = await door.throttle.hit(SECOND_FACTOR, account=username, address=origin.address)
        return await atransaction(door.pool, lambda: work(counted))
    except HealixError as error:
        await door.denials.refused(origin, REFUSED, query=error.detail)
        raise


async def take_alone(door: Door, factor: Factor, origin: Origin, earlier: str | None) -> str:
    """The same for a factor that tells itself who it is, and that its owner had to unlock: two factors in one."""

    def work(counted: Hit) -> Work[str]:
        proof = yield from factor()
        yield right(counted)
        who = Origin(origin.client, proof.username, origin.address, origin.request)
        return (yield from enter(proof.username, (*proof.methods, SEVERAL), who, earlier))

    try:
        counted = await door.throttle.hit(LOGIN, address=origin.address)
        return await atransaction(door.pool, lambda: work(counted))
    except HealixError as error:
        await door.denials.refused(origin, "login", query=error.detail)
        raise
