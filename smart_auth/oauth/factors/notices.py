"""Telling people by mail that their factors have changed, so that they notice when it was somebody else.

Spec: OWASP ASVS 5.0 6.3.7
"""

from __future__ import annotations

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail.queue import post
from smart_auth.account.address import address_of
from smart_auth.account.language import language_of
from smart_auth.account.mails import factors_changed


def tell(root: str, username: str, what: str) -> Work[None]:
    """Send a mail about the account, where it has an address, once the caller's transaction is committed."""
    mail = yield from address_of(username)
    if mail is not None:
        theirs = yield from language_of(username)
        with speaking(theirs):
            letter = factors_changed(root, mail, username, what)
        yield post([letter])
