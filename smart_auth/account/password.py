"""A new password: by the link of a mail, or by who knows the old one.

Spec: OWASP ASVS 5.0 6.2.2, 6.2.3, 6.4.3, 7.2.4, 7.4.3
"""

from __future__ import annotations

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.queue import post
from smart_auth.account import mails
from smart_auth.account.elsewhere import sign_out
from smart_auth.account.endings import end_apps, end_sessions, stop_waiting
from smart_auth.account.home import Home
from smart_auth.account.tickets import Purpose, look, use, void
from smart_auth.oauth.sessions import renew

OVER = "This link is no longer good. Please ask for another one."
WORD = "password"


def whose(secret: str) -> Work[tuple[str, ...]]:
    """What a new password by this link must not contain: name and mail address of its account. Raises Conflict."""
    ticket = yield from look(Purpose.RESET, secret)
    if ticket is None or ticket.username is None:
        raise HealixError(Category.CONFLICT, OVER)
    return (yield from about(ticket.username))


def about(username: str) -> Work[tuple[str, ...]]:
    """What is known of an account's person, for the rules on passwords."""
    rows = yield Statement("SELECT mail FROM account WHERE username = %s", (username,))
    return (username, *(mail for (mail,) in rows if mail))


def set_by_mail(home: Home, secret: str, password_hash: str, origin: Origin) -> Work[str]:
    """Set the password of the account that a link is for, and end its sessions, grants and tokens; the username.

    It signs nobody in, so that a second factor is still asked for. Of several uses at once, one sets the password.
    Raises Conflict when the link was used or is over.
    """
    ticket = yield from use(Purpose.RESET, secret)
    changed = ticket and (
        yield Statement(
            "UPDATE account SET password_hash = %s WHERE username = %s AND NOT disabled RETURNING mail",
            (password_hash, ticket.username),
        )
    )
    if ticket is None or ticket.username is None or not changed:
        raise HealixError(Category.CONFLICT, OVER)
    username = ticket.username
    yield from end_sessions(username)
    yield from end_apps(username)
    yield from _noted(home, username, changed[0][0], "by mail", origin)
    return username


def change(
    home: Home, username: str, hashes: tuple[str, str], session: str, origin: Origin, *, apps: bool
) -> Work[str]:
    """Set the password of a signed-in person whose `hashes` are the old one, which was checked, and the new one.

    Other browsers are signed out, this one's session goes on under a new secret, which is returned. With `apps` what
    apps have ends as well. Raises Conflict when the password was changed meanwhile.
    """
    old, new = hashes
    changed = yield Statement(
        "UPDATE account SET password_hash = %s WHERE username = %s AND password_hash = %s RETURNING mail",
        (new, username, old),
    )
    if not changed:
        raise HealixError(Category.CONFLICT, "The password was changed a moment ago from elsewhere.")
    yield from sign_out(username, session, None, origin)
    yield stop_waiting(username)
    secret = yield from renew(session)
    if apps:
        yield from end_apps(username)
    yield from _noted(home, username, changed[0][0], "knowing the old one", origin)
    return secret


def _noted(home: Home, username: str, mail: str | None, how: str, origin: Origin) -> Work[None]:
    yield void(username, [Purpose.RESET, Purpose.ADDRESS])
    who = Origin(origin.client, username, origin.address, origin.request)
    yield record([AuditRow(who, "U", WORD, query=how)])
    if mail:
        theirs = yield from home.spoken(username)
        with speaking(theirs):
            letter = mails.password_changed(home.root, mail, username)
        yield post([letter])
