"""The hash chain over the audit trail: blocks of rows, sealed in the background as rows become visible.

Whoever writes audit rows pays nothing for the chain. The job worker seals what is new every half second: a block holds
the digest of each of its rows and a head, the digest of the block and of the head before it. So every row is held by
all later heads, and those by the anchors outside the database (kernel/audit_anchors.py).

Numbers `seq` become visible out of order, and some never do (a rollback, a crash of the database). A number that is
missing below the highest sealed one is kept as a gap, and a row that turns up in it goes into the next block. A gap is
closed when every transaction of its time has ended and `CLOSED` seconds are over (a number may be drawn shortly before
its transaction is known to the snapshot). A row that turns up in no block and no gap was not written by this server.

The content of a row is PostgreSQL's binary form of its columns in their order, each with type and length, so that no
two different rows have the same; see docs/decisions/0076-audit-chain.md.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range
from sqlalchemy import BigInteger, Column, DateTime, LargeBinary, Table, func
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, INT8RANGE

from healix_fhir.kernel.database import Statement, Work, metadata

LOCK = 0x48784175646974  # "HxAudit"
LARGEST = 50_000
"""Rows of one block at most."""
CLOSED = 900
SIZE = hashlib.sha256().digest_size
START = bytes(SIZE)
"""What stands for the head before the first block."""

DIGEST = """sha256(record_send(ROW(e.seq, e.recorded, e.action, e.subtype, e.outcome, e.client, e.account, e.address,
  e.request, e.patient, e.entity, e.query)))"""
"""The digest of the row `e` of audit_event, in statements of ours: a function in the database could be replaced."""

audit_block = Table(
    "audit_block",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("sealed", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("total", BigInteger, nullable=False),  # rows of this block and all before
    Column("high", BigInteger, nullable=False),  # highest seq of this block and all before
    Column("spans", INT8MULTIRANGE, nullable=False),  # the seq of its rows
    Column("digests", LargeBinary, nullable=False),  # of its rows, in order of seq
    Column("head", LargeBinary, nullable=False),
    comment="append-only hash chain over audit_event; see kernel/audit_chain.py",
)
audit_gap = Table(
    "audit_gap",
    metadata,
    Column("span", INT8RANGE, primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("horizon", BigInteger, nullable=False),  # the first transaction that had not begun then
    comment="numbers below the highest sealed one whose rows may still become visible",
)

Spans = Multirange[int]


class Block(msgspec.Struct, frozen=True):
    """A link of the chain, or with number 0 its beginning."""

    number: int = 0
    total: int = 0
    high: int = 0
    head: bytes = START


def head_of(before: bytes, number: int, total: int, high: int, sealed: datetime, digests: bytes) -> bytes:
    """The head of a block: all that it says, and the head before it. Its spans follow from the digests."""
    said = f"{number} {total} {high} {sealed.timestamp():.6f} ".encode()
    return hashlib.sha256(before + said + digests).digest()


def tip() -> Work[Block]:
    """The last block."""
    rows = yield Statement("SELECT number, total, high, head FROM audit_block ORDER BY number DESC LIMIT 1")
    return Block(*rows[0]) if rows else Block()


def seal(largest: int = LARGEST) -> Work[int]:
    """Seal the next block, of the rows that have become visible: how many; 0 when another node is at it.

    Needs a transaction. All that the block depends on is read by one statement, of one snapshot.
    """
    ((mine,),) = yield Statement("SELECT pg_try_advisory_xact_lock(%s)", (LOCK,))
    if not mine:
        return 0
    last = yield from tip()
    found = (yield Statement(_FOUND, {"high": last.high, "largest": largest}))[0]
    count, high, spans, digests, missing, late, moment, xmax, old = found
    if late or old:
        yield Statement(_FILL, (late or Multirange(), late or Multirange()))
        yield Statement(_CLOSE, (CLOSED,))
    if not count:
        return 0
    if missing:
        yield Statement("INSERT INTO audit_gap (span, horizon) SELECT unnest(%s::int8multirange), %s", (missing, xmax))
    number, total, high = last.number + 1, last.total + count, max(last.high, high)
    head = head_of(last.head, number, total, high, moment, digests)
    yield Statement(
        """INSERT INTO audit_block (number, sealed, total, high, spans, digests, head)
           VALUES (%s, %s, %s, %s, %s::int8multirange, %s, %s)""",
        (number, moment, total, high, spans, digests, head),
    )
    return int(count)


_FOUND = f"""
WITH fresh AS MATERIALIZED (
     SELECT e.seq, {DIGEST} AS digest FROM audit_event e WHERE e.seq > %(high)s ORDER BY e.seq LIMIT %(largest)s),
   late AS MATERIALIZED (
     SELECT e.seq, {DIGEST} AS digest
     FROM audit_gap g JOIN audit_event e ON e.seq >= lower(g.span) AND e.seq < upper(g.span)
     LIMIT %(largest)s),
   both_of AS (SELECT * FROM fresh UNION ALL SELECT * FROM late)
SELECT count(*), max(seq), range_agg(int8range(seq, seq, '[]')), string_agg(digest, ''::bytea ORDER BY seq),
  (SELECT int8multirange(int8range(%(high)s, max(seq), '(]')) - range_agg(int8range(seq, seq, '[]')) FROM fresh),
  (SELECT range_agg(int8range(seq, seq, '[]')) FROM late),
  now(), pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
  EXISTS (SELECT FROM audit_gap WHERE since < now() - make_interval(secs => {CLOSED}))
FROM both_of"""

_FILL = """
WITH filled AS (DELETE FROM audit_gap WHERE span && %s::int8multirange RETURNING span, since, horizon)
INSERT INTO audit_gap (span, since, horizon)
SELECT unnest(int8multirange(span) - %s::int8multirange), since, horizon FROM filled"""

_CLOSE = """
DELETE FROM audit_gap WHERE since < now() - make_interval(secs => %s)
  AND horizon <= pg_snapshot_xmin(pg_current_snapshot())::text::bigint"""


def numbers(spans: Spans) -> list[int]:
    """The seq that `spans` hold, in order."""
    return [seq for span in spans for seq in _range(span)]


def length(spans: Spans) -> int:
    """How many seq `spans` hold."""
    return sum(len(_range(span)) for span in spans)


def _range(span: Range[Any]) -> range:
    return range(span.lower or 0, span.upper or 0)
