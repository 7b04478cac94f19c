"""The second step of a login: one more factor, then the session.

What is used up (a code, the waiting itself) is used up in the transaction that opens the session: of steps taken at
the same time one is let in. Whatever is wrong with a factor is answered alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Work, atransaction
from healix_fhir.kernel.errors import HealixError, unauthenticated
from smart_auth.denials import Denials
from smart_auth.oauth.factors import recovery, totp
from smart_auth.oauth.factors.held import WORD, held
from smart_auth.oauth.factors.methods import ONE_TIME_CODE, SEVERAL
from smart_auth.oauth.factors.pending import Waiting, finish
from smart_auth.oauth.limits import SECOND_FACTOR
from smart_auth.oauth.login import enter
from smart_auth.oauth.seal import Seal
from smart_auth.oauth.throttle import Hit, Throttle, right

WRONG = "That was not right. Codes are good once, and those of an app for a short time."
OVER = "The sign-in took too long. Please begin again."
REFUSED = "second-factor"
"""Under this word refused factors stand in the audit trail."""

Pool = AsyncConnectionPool[AsyncConnection[Row]]
Factor = Callable[[], Work[tuple[str, ...] | None]]
"""Uses up what was shown; the methods that it proves, or None when it is not right."""


def code_of_app(seal: Seal, username: str, code: str) -> Factor:
    """A code of the authenticator app."""

    def shown() -> Work[tuple[str, ...] | None]:
        right = yield from totp.accept(seal, username, code, time.time())
        return (ONE_TIME_CODE,) if right else None

    return shown


def recovery_code(username: str, code: str, origin: Origin) -> Factor:
    """A recovery code; that one is gone stands in the audit trail."""

    def shown() -> Work[tuple[str, ...] | None]:
        if not (yield from recovery.use(username, code)):
            return None
        left = (yield from held(username)).codes.left
        yield record([AuditRow(origin, "U", WORD, query=f"recovery code used, {left} left")])
        return ()

    return shown


async def take(
    pool: Pool,
    throttle: Throttle,
    denials: Denials,
    secret: str,
    waiting: Waiting,
    factor: Factor,
    origin: Origin,
    earlier: str | None,
) -> str:
    """The secret of a new session, instead of the `earlier` one of the browser. Raises Unauthenticated, Busy."""
    username = waiting.account.username

    def work(counted: Hit) -> Work[str]:
        methods = yield from factor()
        if methods is None:
            raise unauthenticated(WRONG)
        if not (yield from finish(secret)):
            raise unauthenticated(OVER)
        yield right(counted)
        return (yield from enter(username, (*waiting.methods, *methods, SEVERAL), origin, earlier))

    try:
        counted = await throttle.hit(SECOND_FACTOR, account=username, address=origin.address)
        return await atransaction(pool, lambda: work(counted))
    except HealixError:
        await denials.refused(origin, REFUSED)
        raise
