"""Ways that a mail leaves: an SMTP server, or a directory of `.eml` files where there is none.

`smtps://` is TLS from the start, `smtp://` changes to TLS by STARTTLS and sends nothing where the server cannot, unless
it is on this machine. Certificates are checked.

Spec: RFC 5321; RFC 3207 (STARTTLS); RFC 8314 3.3 (implicit TLS)
"""

from __future__ import annotations

import os
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.mail.message import Letter, composed, mail_address
from healix_fhir.kernel.settings import Settings

OUTBOX = "outbox"
PORTS = {"smtp": 587, "smtps": 465}
SECONDS = 20
"""Longest wait for one answer of the server."""


class NotSentError(Exception):
    """A mail that did not leave; `final`: the server will never take it."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Line(Protocol):
    """An open way out."""

    def send(self, letter: Letter) -> None:
        """Hand over one mail. Raises NotSentError."""


class Transport(Protocol):
    """A way out."""

    def open(self) -> AbstractContextManager[Line]:
        """A line for a batch of mails. Raises NotSentError when there is none at this moment."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Writes each mail to a file of its own in `path`; whole or not at all, and once however often it is tried."""

    path: Path
    sender: str

    @contextmanager
    def open(self) -> Iterator[Line]:
        """The directory, made when it is missing."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _not_written(error) from error
        yield self

    def send(self, letter: Letter) -> None:
        """Write the file."""
        unfinished = self.path / f".{letter.name()}.part"
        try:
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(composed(letter, self.sender))
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(self.path / f"{letter.name()}.eml")
        except OSError as error:
            raise _not_written(error) from error


@dataclass(frozen=True, slots=True)
class Smtp:
    """Sends through a server. `tls`: from the start; else by STARTTLS, which `plain` lets the server lack."""

    host: str
    port: int
    sender: str
    tls: bool
    plain: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @contextmanager
    def open(self) -> Iterator[Line]:
        """A connection, signed in."""
        try:
            connection = self._connect()
        except (OSError, smtplib.SMTPException) as error:
            raise NotSentError(
                f"the mail server at {self.host}:{self.port} cannot be used: {_reason(error)}"
            ) from error
        try:
            yield _Connection(connection, self.sender)
        finally:
            with suppress(OSError, smtplib.SMTPException):
                connection.quit()

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.tls:
            connection: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
        else:
            connection = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        try:
            connection.ehlo_or_helo_if_needed()
            if not self.tls and (connection.has_extn("starttls") or not self.plain):
                connection.starttls(context=context)
            if self.user:
                connection.login(self.user, self.password)
        except BaseException:
            connection.close()
            raise
        return connection


@dataclass(frozen=True, slots=True)
class _Connection:
    connection: smtplib.SMTP
    sender: str

    def send(self, letter: Letter) -> None:
        """Hand the mail to the server."""
        try:
            self.connection.sendmail(parseaddr(self.sender)[1], [letter.to], composed(letter, self.sender))
        except smtplib.SMTPRecipientsRefused as error:
            code = next(iter(error.recipients.values()))[0]
            raise NotSentError(f"the recipient is refused ({code})", final=code >= 500) from error
        except smtplib.SMTPResponseException as error:
            raise NotSentError(f"the mail is refused ({error.smtp_code})", final=error.smtp_code >= 500) from error
        except (OSError, smtplib.SMTPException) as error:
            raise NotSentError(_reason(error)) from error


def transport_of(settings: Settings) -> Transport:
    """The way out that the settings name. Raises Invalid for settings that name none."""
    sender = _sender(settings)
    if not settings.smtp_url:
        return Directory(settings.data_dir / OUTBOX, sender)
    try:
        parts = urlsplit(settings.smtp_url)
        port = parts.port
    except ValueError as error:
        raise _bad_url() from error
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise _bad_url()
    return Smtp(
        parts.hostname,
        port or PORTS[parts.scheme],
        sender,
        tls=parts.scheme == "smtps",
        plain=_on_this_machine(parts.hostname),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _sender(settings: Settings) -> str:
    if not settings.mail_from:
        return f"Healix <no-reply@{urlsplit(settings.root).hostname or 'localhost'}>"
    name, address = parseaddr(settings.mail_from)
    try:
        address = mail_address(address)
    except HealixError as error:
        raise invalid("HEALIX_MAIL_FROM must be an address such as Clinic <no-reply@example.org>") from error
    return f"{name} <{address}>" if name else address


def _not_written(error: OSError) -> NotSentError:
    return NotSentError(f"the outbox cannot be written: {error.strerror}")


def _on_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bad_url() -> HealixError:
    return invalid("HEALIX_SMTP_URL must be smtp://[USER:PASSWORD@]HOST[:PORT], or smtps://…")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
