"""The job worker's part in accounts: it answers what was asked, and the mails come to a directory."""

from __future__ import annotations

import email
import re
from dataclasses import dataclass
from email.policy import default
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from healix_fhir.care.persons import find_person
from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.mail.delivery import mailer
from healix_fhir.kernel.mail.transport import transport_of
from healix_fhir.kernel.settings import Settings
from smart_auth.account.answered import consumer
from smart_auth.account.asked import TOPIC
from smart_auth.account.home import Home
from smart_auth.account.tickets import renew

ROOT = "http://healix.test"
LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True)
class Received:
    """One mail."""

    to: str
    subject: str
    text: str

    @property
    def link(self) -> str:
        """The path and query of the link in it."""
        parts = urlsplit(LINK.findall(self.text)[0])
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


def received(path: Path) -> Received:
    """What a file of the outbox says."""
    message = email.message_from_bytes(path.read_bytes(), policy=default)
    return Received(message["To"], message["Subject"], message.get_content())


@dataclass(frozen=True)
class Mailbox:
    """All mail of the server with this database."""

    url: str
    directory: Path
    unmailed: bool = False

    def collect(self) -> list[Received]:
        """Let the worker work off what waits; the mails that came since the last time, in order."""
        step = mailer(transport_of(Settings(data_dir=self.directory)), renew)
        with psycopg.connect(self.url, autocommit=True) as connection:
            while drain(connection, {TOPIC: [consumer(Home(ROOT), find_person, unmailed=self.unmailed)]}):
                pass
            while step(connection):
                pass
        files = sorted(self.directory.glob("outbox/*.eml"), key=lambda file: int(file.stem.rpartition("-")[2]))
        mails = [received(file) for file in files]
        for file in files:
            file.unlink()
        return mails
