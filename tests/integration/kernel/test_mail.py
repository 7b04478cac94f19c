"""Mails from the transaction that posts them to their reader."""

from __future__ import annotations

import email
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection

from healix_fhir.kernel.database import Row, one, run, transaction
from healix_fhir.kernel.mail.delivery import mailer
from healix_fhir.kernel.mail.message import SECRET, Mail
from healix_fhir.kernel.mail.queue import ATTEMPTS, claim, post, sweep
from healix_fhir.kernel.mail.transport import transport_of
from healix_fhir.kernel.settings import Settings
from smart_auth.account.tickets import Purpose, issue, renew, use
from tests.support.gate import Pool
from tests.support.smtp import mail_server

ADA, BOB = "ada@example.org", "bob@example.org"


def posted(pool: Pool, *mails: Mail) -> None:
    """Write mails in a transaction."""
    transaction(pool, lambda: one(post(mails)))


def step(settings: Settings) -> Callable[[Connection[Row]], int]:
    """The worker's step."""
    return mailer(transport_of(settings), renew)


def work(url: str, settings: Settings) -> int:
    """One step of a worker."""
    with psycopg.connect(url, autocommit=True) as connection:
        return step(settings)(connection)


def waiting(pool: Pool) -> list[Row]:
    """What is not sent yet."""
    with pool.connection() as connection:
        return connection.execute("SELECT recipient, attempts, given_up IS NOT NULL, text FROM mail").fetchall()


def later(pool: Pool) -> None:
    """Let all pauses pass."""
    with pool.connection() as connection:
        connection.execute("UPDATE mail SET due = now()")


def inside(text: str) -> str:
    """The secret of a mail."""
    return text.rpartition("[")[2].partition("]")[0]


def test_without_a_server_mails_are_files(database_url: str, pool: Pool, tmp_path: Path) -> None:
    """Each mail is one whole file that only its owner reads."""
    settings = Settings(data_dir=tmp_path)
    posted(pool, Mail(ADA, "One", "first\n"), Mail(BOB, "Two", "second\n"))
    assert work(database_url, settings) == 2
    assert work(database_url, settings) == 0
    assert waiting(pool) == []
    files = sorted((tmp_path / "outbox").iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert {email.message_from_bytes(file.read_bytes())["To"] for file in files} == {ADA, BOB}


def test_what_is_undone_is_not_mailed(database_url: str, pool: Pool, tmp_path: Path) -> None:
    """A mail of a transaction that fails is never sent."""
    with pool.connection() as connection, connection.transaction(force_rollback=True):
        run(connection, one(post([Mail(ADA, "One", "first\n")])))
    assert work(database_url, Settings(data_dir=tmp_path)) == 0


def test_a_server_that_is_away(database_url: str, pool: Pool) -> None:
    """Mails wait for their server with growing pauses, and reach it when it is back."""
    with mail_server() as server:
        url = server.url
    posted(pool, Mail(ADA, "One", "first\n"), Mail(BOB, "Two", "second\n"))
    assert work(database_url, Settings(smtp_url=url)) == 2
    assert work(database_url, Settings(smtp_url=url)) == 0
    assert [row[1:3] for row in waiting(pool)] == [(1, False)] * 2
    later(pool)
    with mail_server() as server:
        work(database_url, Settings(smtp_url=server.url, mail_from="Clinic <c@example.org>"))
        assert [email.message_from_bytes(one)["To"] for one in server.taken] == [ADA, BOB]
        assert server.taken[0].endswith(b"\r\n\r\nfirst\r\n")
    assert waiting(pool) == []


def test_a_refused_recipient(database_url: str, pool: Pool) -> None:
    """A recipient that the server will never take is given up at once and seen; the others get theirs."""
    posted(pool, Mail(ADA, "One", "private\n"), Mail(BOB, "Two", "second\n"))
    with mail_server() as server:
        server.refused[ADA] = 550
        work(database_url, Settings(smtp_url=server.url))
        assert [email.message_from_bytes(one)["To"] for one in server.taken] == [BOB]
        assert waiting(pool) == [(ADA, 1, True, "")]
        later(pool)
        assert work(database_url, Settings(smtp_url=server.url)) == 0
    with pool.connection() as connection:
        connection.execute("UPDATE mail SET given_up = now() - interval '31 days'")
        run(connection, one(sweep()))
    assert waiting(pool) == []


def test_a_busy_server(database_url: str, pool: Pool) -> None:
    """A recipient that is refused for now is tried again, but not for ever."""
    posted(pool, Mail(ADA, "One", "first\n"))
    with mail_server() as server:
        server.refused[ADA] = 450
        for _ in range(ATTEMPTS):
            assert waiting(pool)[0][2] is False
            work(database_url, Settings(smtp_url=server.url))
            later(pool)
        assert waiting(pool) == [(ADA, ATTEMPTS, True, "")]


def test_workers_at_once(database_url: str, pool: Pool, tmp_path: Path) -> None:
    """Several workers send each mail once."""
    posted(pool, *(Mail(ADA, str(n), "text\n") for n in range(60)))
    settings = Settings(data_dir=tmp_path)
    with ThreadPoolExecutor(4) as threads:
        taken = sum(threads.map(lambda _: work(database_url, settings), range(8)))
    assert taken == 60
    assert len(list((tmp_path / "outbox").iterdir())) == 60


def test_clock_that_was_set_back(database_url: str, pool: Pool, tmp_path: Path) -> None:
    """What was posted, taken or put off while the clock was ahead does not wait until it is there again."""
    posted(pool, *(Mail(ADA, subject, "text\n") for subject in ("new", "taken", "failed", "waits")))
    with pool.connection() as connection:
        connection.execute("UPDATE mail SET due = now() + interval '30 min'")
        connection.execute("UPDATE mail SET attempts = 1 WHERE subject <> 'new'")
        connection.execute("UPDATE mail SET due = now() + interval '1 min' WHERE subject = 'waits'")
    assert work(database_url, Settings(data_dir=tmp_path)) == 3
    with pool.connection() as connection:
        assert connection.execute("SELECT subject FROM mail").fetchall() == [("waits",)]


def test_an_outbox_that_cannot_be_written(database_url: str, pool: Pool, tmp_path: Path) -> None:
    """A mail that cannot be written waits."""
    (tmp_path / "outbox").write_text("in the way")
    posted(pool, Mail(ADA, "One", "first\n"))
    work(database_url, Settings(data_dir=tmp_path))
    assert waiting(pool)[0][1:3] == (1, False)
    later(pool)
    (tmp_path / "outbox").unlink()
    work(database_url, Settings(data_dir=tmp_path))
    assert waiting(pool) == []


@pytest.mark.spec("OWASP ASVS 5.0 6.5")
def test_secrets_are_only_in_the_mail(database_url: str, pool: Pool, tmp_path: Path) -> None:
    """A ticket's secret is made when its mail is sent; sent again, the first one is worthless; used, both are."""
    ticket = transaction(pool, lambda: issue(Purpose.RESET, 60, username="ada"))
    posted(pool, Mail(ADA, "One", f"[{SECRET}]\n", ticket))
    (letter,) = transaction(pool, lambda: claim(renew))  # by a worker that dies after it sent the mail
    first = inside(letter.text)
    later(pool)
    work(database_url, Settings(data_dir=tmp_path))
    second = inside(next((tmp_path / "outbox").iterdir()).read_text())
    assert first != second
    with pool.connection() as connection:
        stored = str(connection.execute("SELECT * FROM ticket").fetchall())
    assert first not in stored
    assert second not in stored
    assert transaction(pool, lambda: use(Purpose.RESET, first)) is None
    assert transaction(pool, lambda: use(Purpose.ADDRESS, second)) is None
    used = transaction(pool, lambda: use(Purpose.RESET, second))
    assert used is not None
    assert used.username == "ada"
    assert transaction(pool, lambda: use(Purpose.RESET, second)) is None


def test_a_late_ticket_sends_nothing(database_url: str, pool: Pool, tmp_path: Path) -> None:
    """A mail whose ticket is over before it could be sent is not sent at all."""
    ticket = transaction(pool, lambda: issue(Purpose.RESET, 60, username="ada"))
    posted(pool, Mail(ADA, "One", SECRET, ticket))
    with pool.connection() as connection:
        connection.execute("UPDATE ticket SET expires = now() - interval '1 s'")
    work(database_url, Settings(data_dir=tmp_path))
    assert waiting(pool) == []
    assert not list((tmp_path / "outbox").glob("*"))
