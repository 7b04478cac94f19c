"""Mails as messages, and the settings that name the way out."""

from __future__ import annotations

import email
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.mail.message import Letter, composed, mail_address
from healix_fhir.kernel.mail.transport import Directory, Smtp, transport_of
from healix_fhir.kernel.settings import Settings

LINK = "http://127.0.0.1:8080/account/reset?ticket=" + "x" * 60
LETTER = Letter(7, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "ada@example.org", "New password", f"Open\n\n{LINK}\n")


def read(letter: Letter) -> EmailMessage:
    """What a reader's program makes of it."""
    return email.message_from_bytes(composed(letter, "Healix <a@b.test>"), policy=default)


@pytest.mark.spec("RFC 5322 3.6")
def test_a_message_is_whole() -> None:
    """A mail says who wrote to whom when, names itself the same each time, and that no person wrote it."""
    message = read(LETTER)
    assert message["From"] == "Healix <a@b.test>"
    assert (message["To"], message["Subject"]) == ("ada@example.org", "New password")
    assert message["Date"].datetime == LETTER.posted
    assert message["Message-ID"] == "<20260102T030405-7@b.test>"
    assert message["Auto-Submitted"] == "auto-generated"


def test_links_stay_on_their_line() -> None:
    """A long link is neither wrapped nor encoded, so that every program shows it whole."""
    assert LINK.encode() in composed(LETTER, "a@b.test")


@pytest.mark.parametrize("text", ["Grüße, Inès\n", "x" * 2000 + "\n"])
def test_other_text_is_encoded(text: str) -> None:
    """Text in any language, or with endless lines, goes through every server."""
    letter = Letter(1, LETTER.posted, "a@b.test", "Größe", text)
    assert composed(letter, "a@b.test").isascii()
    assert max(map(len, composed(letter, "a@b.test").splitlines())) < 998
    message = read(letter)
    assert message.get_content().replace("\r\n", "\n") == text
    assert message["Subject"] == "Größe"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Ada.Byron+x@Example.ORG ", "Ada.Byron+x@example.org"),
        ("ada@localhost", "ada@localhost"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    """A mail address is taken as people type it."""
    assert mail_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "", "ada", "@b.test", "ada@", "a b@c.test", "ada@b..test", "a@b.test\r\nBcc: all@b.test", "<a@b.test>", "a@b@c",
        "a" * 65 + "@b.test", "a@" + "b." * 130 + "test", "a@" + "b" * 70 + ".test", "ä@b.test", 'a"@b.test',
        "a@b.test,c",
    ],
)  # fmt: skip
def test_no_addresses(text: str) -> None:
    """What is no mail address is refused, above all what would add lines to a message."""
    with pytest.raises(HealixError, match="no mail address"):
        mail_address(text)


@pytest.mark.parametrize(
    ("url", "host", "port", "tls", "plain"),
    [
        ("smtp://mail.test", "mail.test", 587, False, False),
        ("smtp://mail.test:25", "mail.test", 25, False, False),
        ("smtps://mail.test", "mail.test", 465, True, False),
        ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, False, True),
        ("smtp://[::1]:2525/", "::1", 2525, False, True),
        ("smtp://localhost", "localhost", 587, False, True),
    ],
)
def test_servers(url: str, host: str, port: int, tls: bool, plain: bool) -> None:
    """Mail leaves this machine over TLS only."""
    found = transport_of(Settings(smtp_url=url))
    assert isinstance(found, Smtp)
    assert (found.host, found.port, found.tls, found.plain) == (host, port, tls, plain)


def test_credentials() -> None:
    """User and password are part of the URL, percent-encoded where they must be, and not in what is logged."""
    settings = Settings(smtp_url="smtps://clinic%40x:p%2Fw@mail.test")
    found = transport_of(settings)
    assert isinstance(found, Smtp)
    assert (found.user, found.password) == ("clinic@x", "p/w")
    assert "p%2Fw" not in repr(settings)
    assert "p/w" not in repr(found)


@pytest.mark.parametrize(
    "url", ["mail.test", "http://mail.test", "smtp://", "smtp://a:b", "smtp://a/x", "smtp://a?x=1"]
)
def test_bad_servers(url: str) -> None:
    """A setting that names no server is refused by name."""
    with pytest.raises(HealixError, match="HEALIX_SMTP_URL"):
        transport_of(Settings(smtp_url=url))


@pytest.mark.parametrize(
    ("written", "root", "sender"),
    [
        ("", "https://fhir.example.org", "Healix <no-reply@fhir.example.org>"),
        ("", "", "Healix <no-reply@127.0.0.1>"),
        ("Clinic <mail@Example.org>", "", "Clinic <mail@example.org>"),
        ("mail@example.org", "", "mail@example.org"),
    ],
)
def test_sender(written: str, root: str, sender: str) -> None:
    """Mails come from the clinic's address, else from one of the server's host; without a server they are files."""
    found = transport_of(Settings(data_dir=Path("/srv"), mail_from=written, base_url=root))
    assert found == Directory(Path("/srv/outbox"), sender)


def test_bad_sender() -> None:
    """A sender that is no address is refused by name."""
    with pytest.raises(HealixError, match="HEALIX_MAIL_FROM"):
        transport_of(Settings(mail_from="The Clinic"))
