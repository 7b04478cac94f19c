"""Telling people by mail that their factors have changed, so that they notice when it was somebody else.

Spec: OWASP ASVS 5.0 6.3.7
"""

from __future__ import annotations

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.language.catalogue import marked
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.queue import post
from smart_auth.account.address import address_of
from smart_auth.account.home import Home
from smart_auth.account.mails import factors_changed

SAID = (
    marked("A passkey was added."),
    marked("A passkey was removed."),
    marked("An authenticator app was added."),
    marked("An authenticator app was removed."),
    marked("A recovery code was used to sign in; {left} are left."),
    marked("New recovery codes were made; the earlier ones are worthless."),
    marked("The clinic has taken away your passkeys, app and recovery codes."),
)
"""What people are told, for the catalogues."""


def tell(home: Home, username: str, what: str) -> Work[None]:
    """Send a mail about the account, where it has an address, once the caller's transaction is committed."""
    mail = yield from address_of(username)
    if mail is not None:
        theirs = yield from home.spoken(username)
        with speaking(theirs):
            letter = factors_changed(home.root, mail, username, what)
        yield post([letter])
