"""The mail address of an account: confirmed at the new one, told to the old one.

Spec: OWASP ASVS 5.0 6.3.7, 7.5.1
"""

from __future__ import annotations

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.queue import post
from smart_auth.account import mails
from smart_auth.account.home import Home
from smart_auth.account.tickets import Purpose, issue, use, void

LIFE = 3600
OVER = "This link is no longer good. Please change the address once more."
WORD = "mail-address"


def ask(home: Home, username: str, mail: str, origin: Origin) -> Work[None]:
    """Send a link to the new address. An earlier one is void."""
    yield void(username, [Purpose.ADDRESS])
    ticket = yield from issue(Purpose.ADDRESS, LIFE, username=username, mail=mail)
    theirs = yield from home.spoken(username)
    with speaking(theirs):
        letter = mails.confirm_address(home.root, mail, username, ticket)
    yield post([letter])
    yield record([AuditRow(origin, "E", WORD, query="asked for")])


def confirm(home: Home, secret: str, origin: Origin) -> Work[str]:
    """Make the address that a link was sent to that of its account; the username.

    Links for a new password that went to the old address are void. Raises Conflict when the link was used or is over.
    """
    ticket = yield from use(Purpose.ADDRESS, secret)
    changed = ticket and (
        yield Statement(
            """UPDATE account a SET mail = %s
               FROM (SELECT username, mail FROM account WHERE username = %s FOR UPDATE) old
               WHERE a.username = old.username AND NOT a.disabled RETURNING old.mail""",
            (ticket.details["mail"], ticket.username),
        )
    )
    if ticket is None or ticket.username is None or not changed:
        raise HealixError(Category.CONFLICT, OVER)
    username, earlier = ticket.username, changed[0][0]
    yield void(username, [Purpose.RESET])
    who = Origin(origin.client, username, origin.address, origin.request)
    yield record([AuditRow(who, "U", WORD)])
    if earlier and earlier != ticket.details["mail"]:
        theirs = yield from home.spoken(username)
        with speaking(theirs):
            letter = mails.address_changed(home.root, earlier, username)
        yield post([letter])
    return username


def address_of(username: str) -> Work[str | None]:
    """The mail address of an account."""
    rows = yield Statement("SELECT mail FROM account WHERE username = %s", (username,))
    return rows[0][0] if rows else None
