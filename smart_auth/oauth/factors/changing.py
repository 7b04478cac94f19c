"""Adding and removing factors: what has to happen with it, in the same transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import forbidden, unauthenticated
from smart_auth.account.elsewhere import sign_out
from smart_auth.account.home import Home
from smart_auth.oauth.factors import recovery
from smart_auth.oauth.factors.held import WORD, held
from smart_auth.oauth.factors.methods import SEVERAL
from smart_auth.oauth.factors.notices import tell
from smart_auth.oauth.factors.pending import OVER, Waiting, finish
from smart_auth.oauth.login import enter
from smart_auth.oauth.sessions import renew, strengthen

LAST = "A second step is required of your account. Set up another one before you remove this."


@dataclass(frozen=True, slots=True)
class Added:
    """Recovery codes, where the account had none left, and the secret of the session from now on."""

    codes: tuple[str, ...]
    session: str


@dataclass(frozen=True, slots=True)
class Change:
    """A factor that is added or removed, for the audit trail (`what`) and in words (`kind`): whose, by whom, on the
    server that is `home`.
    """

    home: Home
    username: str
    what: str
    kind: str
    origin: Origin


def added(change: Change, methods: Collection[str], session: str) -> Work[Added]:
    """What follows on a new factor: codes for the day when it is lost. The session has been proved by it, too.

    A session that is worth more goes on under a new secret. Spec: OWASP ASVS 5.0 7.2.4
    """
    secret = yield from renew(session)
    yield from strengthen(secret, (*methods, SEVERAL))
    return Added((yield from _noted(change)), secret)


def added_at_login(
    change: Change, waiting: Waiting, methods: Collection[str], secret: str, earlier: str | None
) -> Work[Added]:
    """The same for a login that could not go on without a factor: it goes on. Raises Unauthenticated."""
    if not (yield from finish(secret)):
        raise unauthenticated(OVER)
    codes = yield from _noted(change)
    opened = yield from enter(change.username, (*waiting.methods, *methods, SEVERAL), change.origin, earlier)
    return Added(codes, opened)


def alone(username: str) -> Work[bool]:
    """Whether the account has no factor yet; no other one is added before this transaction ends."""
    yield _one_at_a_time(username)
    return not (yield from held(username)).any


def removed(change: Change, session: str, *, required: bool) -> Work[None]:
    """What follows on the loss of a factor: other browsers are signed out. Raises Forbidden for a required last one."""
    username = change.username
    yield _one_at_a_time(username)
    if not (yield from held(username)).any:
        if required:
            raise forbidden(LAST)
        yield recovery.forget(username)
    yield from sign_out(username, session, None, change.origin)
    yield record([AuditRow(change.origin, "D", WORD, query=change.what)])
    yield from tell(change.home, username, f"{change.kind} was removed.")


def renamed(what: str, origin: Origin) -> Statement:
    """Note that a factor is called otherwise now."""
    return record([AuditRow(origin, "U", WORD, query=what)])


def renewed_codes(home: Home, username: str, origin: Origin) -> Work[tuple[str, ...]]:
    """New recovery codes for a person who asked for them."""
    yield from tell(home, username, "New recovery codes were made; the earlier ones are worthless.")
    return (yield from _codes(username, origin))


def _noted(change: Change) -> Work[tuple[str, ...]]:
    yield record([AuditRow(change.origin, "C", WORD, query=change.what)])
    yield from tell(change.home, change.username, f"{change.kind} was added.")
    if (yield from held(change.username)).codes.left:
        return ()
    return (yield from _codes(change.username, change.origin))


def _codes(username: str, origin: Origin) -> Work[tuple[str, ...]]:
    codes = yield from recovery.make(username)
    yield record([AuditRow(origin, "U", WORD, query="recovery codes")])
    return codes


def _one_at_a_time(username: str) -> Statement:
    return Statement("SELECT 1 FROM account WHERE username = %s FOR UPDATE", (username,))
