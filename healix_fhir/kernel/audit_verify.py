"""Verification of the audit trail: every row against its block, every block against the next and the anchors.

All is read in one snapshot, so that the server may go on writing; what it has not sealed yet is counted as pending. The
digests are computed in the database, where the rows are; the chain here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec
from psycopg import Connection
from psycopg.types.multirange import Multirange

from healix_fhir.kernel.audit_anchors import Anchor
from healix_fhir.kernel.audit_chain import DIGEST, SIZE, Block, Spans, head_of, length, numbers
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import invalid

SHOWN = 100
"""Problems that are told one by one; all are counted."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with a row (by `seq`) or a block."""

    what: str
    block: int | None = None
    seq: int | None = None

    def __str__(self) -> str:
        where = f"row {self.seq}" if self.seq is not None else f"block {self.block}"
        return f"{where} {self.what}"


class Verdict(msgspec.Struct):
    """What a verification found. `rows` were compared; `pending` are not sealed yet, the oldest for `seconds`."""

    rows: int = 0
    blocks: int = 0
    head: str = ""
    anchors: int = 0
    pending: int = 0
    seconds: float = 0.0
    count: int = 0
    problems: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Note a problem."""
        self.count += 1
        if len(self.problems) < SHOWN:
            self.problems.append(problem)


def verify(connection: Connection[Row], anchors: Iterable[Anchor], start: int = 0) -> Verdict:
    """Compare the whole trail, or what follows the anchored block `start`. Raises Invalid when that has no anchor."""
    known = {anchor.block: anchor for anchor in anchors}
    verdict = Verdict()
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute("SET LOCAL client_encoding = 'UTF8'")
        connection.execute("SET LOCAL statement_timeout = 0")
        connection.execute("SET LOCAL enable_seqscan = off")  # each block is a few ranges of the key
        before = _start(connection, known, start)
        last = _blocks(connection, verdict, before, known)
        verdict.head = last.head.hex()
        for number in sorted(number for number in known if number > last.number):
            verdict.add(Problem("is anchored, but not there: the end of the trail was cut off", block=number))
        _others(connection, verdict, last.high)
    return verdict


def _start(connection: Connection[Row], known: dict[int, Anchor], start: int) -> Block:
    if start == 0:
        return Block()
    if start not in known:
        raise invalid(f"block {start} has no anchor to start from")
    anchor = known[start]
    row = connection.execute("SELECT high FROM audit_block WHERE number = %s", (start,)).fetchone()
    if row is None:
        raise invalid(f"block {start} is anchored, but not there: the trail was cut off before it")
    return Block(start, anchor.rows, row[0], bytes.fromhex(anchor.head))


_BLOCKS = f"""
SELECT b.number, b.sealed, b.total, b.high, b.spans, b.digests, b.head,
  (SELECT string_agg({DIGEST}, ''::bytea ORDER BY e.seq)
   FROM unnest(b.spans) s (span) JOIN audit_event e ON e.seq >= lower(s.span) AND e.seq < upper(s.span))
FROM audit_block b WHERE b.number > %s ORDER BY b.number"""


def _blocks(connection: Connection[Row], verdict: Verdict, last: Block, known: dict[int, Anchor]) -> Block:
    """Compare every block after `last`; the last one there is."""
    with connection.cursor("blocks", binary=True) as cursor:
        cursor.itersize = 20
        cursor.execute(_BLOCKS, (last.number,))
        for number, sealed, total, high, spans, digests, head, found in cursor:
            if number != last.number + 1:
                verdict.add(Problem(f"is missing, up to block {number - 1}", block=last.number + 1))
            elif head != head_of(last.head, number, total, high, sealed, digests):
                verdict.add(Problem("does not follow from its content and the block before it", block=number))
            elif total != last.total + len(digests) // SIZE or length(spans) * SIZE != len(digests):
                verdict.add(Problem("does not count its rows as they are", block=number))
            if found != digests:
                for problem in _rows(connection, number, spans, digests):
                    verdict.add(problem)
            anchor = known.get(number)
            last = Block(number, total, high, head)
            if anchor is not None:
                verdict.anchors += 1
                if not anchor.agrees(last):
                    verdict.add(Problem("is not what was anchored: the chain was written anew", block=number))
            verdict.blocks += 1
            verdict.rows += length(spans)
    return last


def _rows(connection: Connection[Row], block: int, spans: Spans, digests: bytes) -> Iterator[Problem]:
    """Which rows of a block are not what was sealed."""
    found: dict[int, bytes] = dict(
        connection.execute(
            f"""SELECT e.seq, {DIGEST} FROM unnest(%s::int8multirange) s (span)
                JOIN audit_event e ON e.seq >= lower(s.span) AND e.seq < upper(s.span)""",
            (spans,),
        ).fetchall()
    )
    sealed = (digests[at : at + SIZE] for at in range(0, len(digests), SIZE))
    for seq, digest in zip(islice(numbers(spans), len(digests) // SIZE), sealed, strict=False):
        if seq not in found:
            yield Problem("is missing", block, seq)
        elif found[seq] != digest:
            yield Problem("was changed", block, seq)


def _others(connection: Connection[Row], verdict: Verdict, high: int) -> None:
    """Rows in no block: waiting to be sealed, or put in between by someone else."""
    row = connection.execute(
        """SELECT int8multirange(int8range(NULL, %s, '(]')) - coalesce(range_agg(span), '{}')
           FROM (SELECT unnest(spans) FROM audit_block UNION ALL SELECT span FROM audit_gap) x (span)""",
        (high,),
    ).fetchone()
    closed = row[0] if row else Multirange()
    inserted = connection.execute(
        """SELECT e.seq FROM unnest(%s::int8multirange) s (span)
           JOIN audit_event e ON e.seq >= coalesce(lower(s.span), %s) AND e.seq < upper(s.span) ORDER BY e.seq""",
        (closed, -(2**63)),
    )
    for (seq,) in inserted:
        verdict.add(Problem("is in no block: it was put in between", seq=seq))
    waiting = connection.execute(
        """SELECT count(*), coalesce(extract(epoch FROM now() - min(recorded)), 0)::float8 FROM (
             SELECT recorded FROM audit_event WHERE seq > %s
             UNION ALL SELECT e.recorded FROM audit_gap g
               JOIN audit_event e ON e.seq >= lower(g.span) AND e.seq < upper(g.span)) w""",
        (high,),
    ).fetchone()
    if waiting:
        verdict.pending, verdict.seconds = waiting
