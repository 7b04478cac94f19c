"""A mail as data, and as the bytes that are sent.

Spec: RFC 5322; RFC 3834 section 5 (Auto-Submitted)
"""

from __future__ import annotations

import re
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

import msgspec

from healix_fhir.kernel.errors import invalid

SECRET = "{secret}"  # noqa: S105 - a place, no secret
"""What stands in a text for the secret of its ticket."""

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[a-z0-9-]{1,63}\.)*[a-z0-9-]{1,63}")
LONGEST_ADDRESS = 254
LONGEST_LINE = 990
"""A text with longer lines is encoded. Spec: RFC 5322 2.1.1 (998 characters)"""


class Mail(msgspec.Struct, frozen=True):
    """One mail to one person, in plain text.

    `ticket`, where given, names what the mail lets its reader do. A fresh secret for it is made when the mail is sent
    and put where `SECRET` stands in the text, so that it is stored nowhere.
    """

    to: str
    subject: str
    text: str
    ticket: str | None = None


class Letter(msgspec.Struct, frozen=True):
    """A mail that is to be sent now; `seq` and `posted` make it the same mail whenever it is tried again."""

    seq: int
    posted: datetime
    to: str
    subject: str
    text: str
    attempts: int = 1

    def name(self) -> str:
        """A word of its own."""
        return f"{self.posted:%Y%m%dT%H%M%S}-{self.seq}"


def mail_address(text: str) -> str:
    """A mail address that people typed, its domain in lower case and ASCII. Raises Invalid for what is none."""
    local, _, domain = text.strip().rpartition("@")
    try:
        domain = domain.lower().encode("idna").decode("ascii")
    except UnicodeError as error:
        raise _no_address() from error
    address = f"{local}@{domain}"
    if not ADDRESS.fullmatch(address) or len(address) > LONGEST_ADDRESS:
        raise _no_address()
    return address


def composed(letter: Letter, sender: str) -> bytes:
    """The message from `sender` ("Name <address>") as RFC 5322 has it."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = letter.to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.posted)
    message["Message-ID"] = f"<{letter.name()}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    plain = letter.text.isascii() and max(map(len, letter.text.splitlines()), default=0) <= LONGEST_LINE
    message.set_content(letter.text, cte="7bit" if plain else "base64")
    return message.as_bytes()


def _no_address() -> Exception:
    return invalid("this is no mail address such as name@example.org", code="value")
