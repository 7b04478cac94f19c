"""Mails that wait to be sent, written in the transaction that has something to tell.

They are sent by the job worker (delivery.py), which is woken when that transaction commits. What cannot be sent is
tried again with growing pauses for about two days, then given up: kept without its text, seen by administrators.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, SmallInteger, Table, Text, func

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work, metadata
from healix_fhir.kernel.mail.message import SECRET, Letter, Mail
from healix_fhir.kernel.outbox import CHANNEL

ATTEMPTS = 14
FIRST_PAUSE = 20.0
BATCH = 20
LEASE = 900
"""Seconds in which a claimed batch is surely sent."""

mail = Table(
    "mail",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("ticket", Text),  # what a secret is made for when the mail is sent
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("due", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("given_up", DateTime(timezone=True)),  # when it was tried often enough
    comment="mails that are not sent yet; see kernel/mail/queue.py",
)
Index("mail_due", mail.c.due, postgresql_where=mail.c.given_up.is_(None))
Index("mail_given_up", mail.c.seq, postgresql_where=mail.c.given_up.is_not(None))

Tickets = Callable[[Sequence[str]], Work[Mapping[str, str]]]
"""Makes a fresh secret for each ticket that is still good; the others are missing from its answer."""


def post(mails: Sequence[Mail]) -> Statement:
    """Send `mails` once the caller's transaction is committed, with one statement."""
    return Statement(
        f"""WITH posted AS (INSERT INTO mail (recipient, subject, text, ticket)
                            SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]))
            SELECT pg_notify('{CHANNEL}', '')""",
        tuple(
            arrays.text(column)
            for column in zip(*[(one.to, one.subject, one.text, one.ticket) for one in mails], strict=True)
        ),
    )


def claim(tickets: Tickets) -> Work[list[Letter]]:
    """Take due mails for `LEASE` seconds. Those whose ticket is no longer good have nothing to tell and are removed.

    Those that are due later than they may be put off were posted or put off before the clock was set back.
    """
    rows = yield Statement(
        """UPDATE mail SET attempts = attempts + 1, due = now() + make_interval(secs => %s)
           WHERE seq IN (SELECT seq FROM mail
                         WHERE given_up IS NULL AND (due <= now() OR attempts = 0 OR due > now() + make_interval(
                           secs => greatest(%s, %s * 2.0 ^ (attempts - 1))))
                         ORDER BY due, seq LIMIT %s FOR UPDATE SKIP LOCKED)
           RETURNING seq, created, recipient, subject, text, attempts, ticket""",
        (LEASE, LEASE, FIRST_PAUSE, BATCH),
    )
    named = [row[6] for row in rows if row[6] is not None]
    secrets = (yield from tickets(named)) if named else {}
    void = [row[0] for row in rows if row[6] is not None and row[6] not in secrets]
    if void:
        yield Statement("DELETE FROM mail WHERE seq = ANY(%s)", (void,))
    return sorted(
        (
            Letter(seq, posted, to, subject, text.replace(SECRET, secrets[ticket]) if ticket else text, attempts)
            for seq, posted, to, subject, text, attempts, ticket in rows
            if ticket is None or ticket in secrets
        ),
        key=lambda letter: letter.seq,
    )


def settle(sent: Sequence[Letter], failed: Sequence[Letter], refused: Sequence[Letter]) -> Work[None]:
    """Forget what was sent, put back what failed, and give up what was `refused` for good or failed too often."""
    over = [one for one in failed if one.attempts >= ATTEMPTS] + list(refused)
    again = [one for one in failed if one.attempts < ATTEMPTS]
    yield Statement("DELETE FROM mail WHERE seq = ANY(%s)", ([one.seq for one in sent],))
    yield Statement(
        "UPDATE mail SET given_up = now(), text = '', ticket = NULL WHERE seq = ANY(%s)", ([one.seq for one in over],)
    )
    yield Statement(
        """UPDATE mail m SET due = now() + make_interval(secs => x.pause)
           FROM unnest(%s::bigint[], %s::float8[]) AS x (seq, pause) WHERE m.seq = x.seq""",
        ([one.seq for one in again], [FIRST_PAUSE * 2.0 ** (one.attempts - 1) for one in again]),
    )


def sweep() -> Statement:
    """Forget what was given up a month ago."""
    return Statement("DELETE FROM mail WHERE given_up < now() - interval '30 days'")
