"""Accounts in the hands of an administrator: looking them up, making, changing, closing and letting in again.

Whoever closes an account, or changes what it is, ends what it had: sessions, grants and tokens, at once everywhere.
Nobody is given a password by an administrator: a link that is good once lets its person choose one.

Spec: OWASP ASVS 5.0 6.4.4, 6.4.6, 7.4.2, 7.4.5
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from healix_fhir.kernel import ids
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError, invalid, not_found
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.queue import post
from smart_auth.account.endings import end_apps, end_sessions, stop_waiting
from smart_auth.account.home import Home
from smart_auth.account.tickets import Purpose, issue, void
from smart_auth.administration.mails import choose_password
from smart_auth.administration.page import PAGE, Listed, listed
from smart_auth.oauth import throttle
from smart_auth.oauth.factors.held import held as factors_of
from smart_auth.store import check_person, create_user, disable_user

FIRST_LINK = 7 * 86400
"""Seconds in which the person of a new account may choose the first password."""
LINK = 24 * 3600
"""Seconds in which the person of a known account may choose another one."""


@dataclass(frozen=True, slots=True)
class Line:
    """An account in a list."""

    username: str
    role: str
    fhir_user: str | None
    mail: str | None
    created: datetime
    disabled: bool


@dataclass(frozen=True, slots=True)
class Known:
    """An account with what it has at this moment; it is `held` for so many seconds where guesses at its password or
    second factor made it wait, somewhere or everywhere.
    """

    line: Line
    sessions: int
    tokens: int
    factors: bool
    held: float


def find_accounts(asked: str = "", role: str = "", after: str | None = None) -> Work[Listed[Line]]:
    """A page of the accounts of `role` whose name, mail address or link holds `asked`; those after the name `after`."""
    rows = yield Statement(
        """SELECT username, role, fhir_user, mail, created, disabled FROM account
           WHERE (position(%(asked)s IN username) > 0 OR position(%(asked)s IN coalesce(mail, '')) > 0
                  OR lower(fhir_user) = %(asked)s OR lower(split_part(fhir_user, '/', 2)) = %(asked)s)
             AND %(role)s IN ('', role) AND (%(after)s::text IS NULL OR username > %(after)s)
           ORDER BY username LIMIT %(most)s""",
        {"asked": asked.strip().lower().replace("\0", ""), "role": role, "after": after, "most": PAGE + 1},
    )
    return listed([Line(*row) for row in rows], lambda line: line.username)


def find_known(username: str) -> Work[Known]:
    """One account. Raises NotFound."""
    name = username.strip().lower()
    rows = yield Statement(
        """SELECT username, role, fhir_user, mail, created, disabled,
                  (SELECT count(*) FROM session s WHERE s.username = a.username AND s.used > now() - interval '1 hour'),
                  (SELECT count(*) FROM access_token t
                   WHERE t.username = a.username AND NOT t.revoked AND t.expires > now())
           FROM account a WHERE username = %s""",
        (name,),
    )
    if not rows:
        raise _none(name)
    *line, sessions, tokens = rows[0]
    factors = (yield from factors_of(name)).any
    held = yield from throttle.held_for([name])
    return Known(Line(*line), sessions, tokens, factors, held.get(name, 0.0))


def create_account(
    username: str, role: str, fhir_user: str | None, mail: str | None, password_hash: str, origin: Origin
) -> Work[None]:
    """A new account whose person chooses the password by a link; until then it has one that nobody knows.

    Raises Invalid, Conflict.
    """
    yield from create_user(
        username, role=role, fhir_user=fhir_user, password_hash=password_hash, mail=mail, origin=origin
    )


def change_person(username: str, role: str, fhir_user: str | None, origin: Origin) -> Work[None]:
    """Make an account another role's, or another person's; what it had ends. Raises Invalid, NotFound."""
    check_person(role, fhir_user)
    rows = yield Statement(
        "UPDATE account SET role = %s, fhir_user = %s WHERE username = %s RETURNING username",
        (role, fhir_user, username),
    )
    if not rows:
        raise _none(username)
    yield from _end(username)
    yield _noted(origin, username, f"{role} {fhir_user or ''}".strip())


def close_account(username: str, origin: Origin) -> Work[None]:
    """Close an account; what it had ends. Raises NotFound."""
    if not (yield from disable_user(username, origin)):
        raise _none(username)
    yield stop_waiting(username)
    yield from end_apps(username)
    yield void(username, [Purpose.RESET, Purpose.ADDRESS])


def open_account(username: str, origin: Origin) -> Work[None]:
    """Open a closed account again. Raises NotFound."""
    rows = yield Statement("UPDATE account SET disabled = false WHERE username = %s RETURNING username", (username,))
    if not rows:
        raise _none(username)
    yield _noted(origin, username, "opened again")


def let_in(username: str, origin: Origin) -> Work[bool]:
    """Let an account in that has to wait for guesses at it; False when it did not have to. Raises NotFound."""
    yield from find_known(username)
    waited = yield from throttle.unlock(username)
    yield _noted(origin, username, "let in again")
    return waited


def new_link(username: str, origin: Origin, seconds: int = LINK) -> Work[str]:
    """The secret of a link by which its holder chooses the password of an account; earlier ones are worthless.

    The old password stays good until then. Raises NotFound, Invalid for a closed account.
    """
    yield from _linked(username, origin)
    secret = ids.secret()
    yield from issue(Purpose.RESET, seconds, username=username, secret=secret)
    return secret


def mail_link(home: Home, username: str, origin: Origin, seconds: int = LINK) -> Work[str]:
    """Send such a link to the mail address of an account, which is returned. Raises NotFound, Invalid without one."""
    mail = yield from _linked(username, origin)
    if mail is None:
        raise invalid("This account has no mail address.")
    ticket = yield from issue(Purpose.RESET, seconds, username=username)
    theirs = yield from home.spoken(username)
    with speaking(theirs):
        letter = choose_password(home.root, mail, username, ticket, seconds)
    yield post([letter])
    return mail


def set_password(username: str, password_hash: str, origin: Origin) -> Work[None]:
    """Set the password of an account, as an operator at the machine may; what the account had ends. Raises NotFound."""
    rows = yield Statement(
        "UPDATE account SET password_hash = %s WHERE username = %s RETURNING username", (password_hash, username)
    )
    if not rows:
        raise _none(username)
    yield from _end(username)
    yield void(username, [Purpose.RESET, Purpose.ADDRESS])
    yield _noted(origin, username, "a new password")


def _linked(username: str, origin: Origin) -> Work[str | None]:
    """What precedes a new link; the mail address of the account."""
    known = yield from find_known(username)
    if known.line.disabled:
        raise invalid("This account is closed. Open it first.")
    yield void(username, [Purpose.RESET])
    yield _noted(origin, username, "a link to choose a password")
    return known.line.mail


def _end(username: str) -> Work[None]:
    yield from end_sessions(username)
    yield from end_apps(username)


def _noted(origin: Origin, username: str, what: str) -> Statement:
    return record([AuditRow(origin, "U", "account", entity=f"account/{username}", query=what)])


def _none(username: str) -> HealixError:
    return not_found(f"There is no account '{username[:64]}'.")
