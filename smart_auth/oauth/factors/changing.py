"""Adding and removing factors: what has to happen with it, in the same transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import forbidden, unauthenticated
from smart_auth.oauth.factors import recovery
from smart_auth.oauth.factors.held import WORD, held
from smart_auth.oauth.factors.methods import SEVERAL
from smart_auth.oauth.factors.pending import OVER, Waiting, finish
from smart_auth.oauth.login import enter
from smart_auth.oauth.sessions import close_others, strengthen

LAST = "A second step is required of your account. Set up another one before you remove this."


@dataclass(frozen=True, slots=True)
class Added:
    """Recovery codes, where the account had none left, and the secret of the session that begins, if one does."""

    codes: tuple[str, ...]
    session: str | None = None


def added(username: str, what: str, methods: Collection[str], session: str, origin: Origin) -> Work[Added]:
    """What follows on a new factor: codes for the day when it is lost. The session has been proved by it, too."""
    yield from strengthen(session, (*methods, SEVERAL))
    return Added((yield from _noted(username, what, origin)))


def added_at_login(
    waiting: Waiting, what: str, methods: Collection[str], secret: str, origin: Origin, earlier: str | None
) -> Work[Added]:
    """The same for a login that could not go on without a factor: it goes on. Raises Unauthenticated."""
    if not (yield from finish(secret)):
        raise unauthenticated(OVER)
    username = waiting.account.username
    codes = yield from _noted(username, what, origin)
    opened = yield from enter(username, (*waiting.methods, *methods, SEVERAL), origin, earlier)
    return Added(codes, opened)


def alone(username: str) -> Work[bool]:
    """Whether the account has no factor yet; no other one is added before this transaction ends."""
    yield _one_at_a_time(username)
    return not (yield from held(username)).any


def removed(username: str, what: str, session: str, origin: Origin, *, required: bool) -> Work[None]:
    """What follows on the loss of a factor: other browsers are signed out. Raises Forbidden for a required last one."""
    yield _one_at_a_time(username)
    left = yield from held(username)
    if not left.any:
        if required:
            raise forbidden(LAST)
        yield recovery.forget(username)
    yield close_others(username, session)
    yield record([AuditRow(origin, "D", WORD, query=what)])


def renamed(what: str, origin: Origin) -> Statement:
    """Note that a factor is called otherwise now."""
    return record([AuditRow(origin, "U", WORD, query=what)])


def renewed_codes(username: str, origin: Origin) -> Work[tuple[str, ...]]:
    """New recovery codes."""
    codes = yield from recovery.make(username)
    yield record([AuditRow(origin, "U", WORD, query="recovery codes")])
    return codes


def _noted(username: str, what: str, origin: Origin) -> Work[tuple[str, ...]]:
    yield record([AuditRow(origin, "C", WORD, query=what)])
    if (yield from held(username)).codes.left:
        return ()
    return (yield from renewed_codes(username, origin))


def _one_at_a_time(username: str) -> Statement:
    return Statement("SELECT 1 FROM account WHERE username = %s FOR UPDATE", (username,))
