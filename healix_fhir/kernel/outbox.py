"""The outbox: what happened, written in the transaction in which it happened, delivered to consumers afterwards.

A consumer handles a batch of events in the transaction that removes them from the outbox, so that its own changes
and the removal stand or fall together: each event takes effect exactly once in the database. A failing event is
retried with growing pauses; after `ATTEMPTS` tries it is kept, visible in `/metrics`, with the reason in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, LargeBinary, SmallInteger, Table, Text, func

from healix_fhir.kernel import arrays
from healix_fhir.kernel.arrays import Array
from healix_fhir.kernel.database import Statement, Work, metadata

CHANNEL = "healix_outbox"
ATTEMPTS = 8
LONGEST = 300.0
"""Seconds that no event is put off for: longer than the last pause between two attempts."""

outbox = Table(
    "outbox",
    metadata,
    Column("seq", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),  # JSON
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("due", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="events not yet handled; see kernel/outbox.py",
)
Index("outbox_due", outbox.c.due, outbox.c.seq)
Index("outbox_given_up", outbox.c.seq, postgresql_where=outbox.c.attempts >= ATTEMPTS)


class Event(msgspec.Struct, frozen=True):
    """One thing that happened. `payload` is plain JSON data without patient data beyond identifiers."""

    topic: str
    payload: dict[str, Any]
    seq: int = 0
    attempts: int = 0


INSERT = "INSERT INTO outbox (topic, payload) SELECT * FROM unnest(%s::text[], %s::bytea[])"


def insert_of(topic: str) -> str:
    """The statement that writes events of one topic, for statements that embed it; it takes their payloads."""
    return f"INSERT INTO outbox (topic, payload) SELECT '{topic}', x FROM unnest(%s::bytea[]) AS x"


NOTIFY = f"SELECT pg_notify('{CHANNEL}', '')"


def outbox_params(events: Sequence[Event]) -> tuple[Array, ...]:
    """The bound parameters of `INSERT`, for statements that embed it."""
    return (
        arrays.text(event.topic for event in events),
        arrays.bytea(msgspec.json.encode(event.payload) for event in events),
    )


def publish(events: Sequence[Event]) -> Statement:
    """Write events with one statement and wake the job worker when the transaction commits."""
    return Statement(f"WITH written AS ({INSERT}) {NOTIFY}", outbox_params(events))


def claim(limit: int, topics: Sequence[str]) -> Work[list[Event]]:
    """Take the oldest due events of `topics` out, in order; the caller's transaction decides whether they stay out.

    Others are left to the workers of a later version that know them, while nodes of both share the database. Those that
    are due later than an event may be put off were published before the clock was set back.

    Both statements are planned for what is there now. With its idea of an outbox that was empty when it was looked at
    last, PostgreSQL would compare each of a batch with every other, and read all of a long outbox for each batch.
    """
    rows = yield Statement(
        """SELECT topic, payload, seq, attempts FROM outbox
           WHERE (due <= now() OR due > now() + make_interval(secs => %s)) AND attempts < %s AND topic = ANY(%s)
           ORDER BY seq LIMIT %s FOR UPDATE SKIP LOCKED""",
        (LONGEST, ATTEMPTS, list(topics), limit),
        prepare=False,
    )
    if rows:
        taken = arrays.int8(seq for _, _, seq, _ in rows)
        yield Statement("DELETE FROM outbox WHERE seq = ANY(%s::bigint[])", (taken,), prepare=False)
    return [Event(topic, msgspec.json.decode(payload), seq, tries) for topic, payload, seq, tries in rows]


def postpone(event: Event) -> Statement:
    """Put a claimed event whose handling failed back, with a pause that doubles each time (1 s up to about 2 min)."""
    return Statement(
        """INSERT INTO outbox (topic, payload, attempts, due)
           VALUES (%s, %s, %s, now() + make_interval(secs => %s))""",
        (event.topic, msgspec.json.encode(event.payload), event.attempts + 1, 2.0**event.attempts),
    )
