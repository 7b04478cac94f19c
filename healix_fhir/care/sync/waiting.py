"""What goes to an upstream next, and what is written down once it has answered: the position of each upstream.

A version leaves `sync_change` in the transaction in which it is known that the upstream has it, and not before. The
versions of a resource go in their order, at most one of each at a time; those of a resource with a conflict stay, and
hold up nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import zstandard

from healix_fhir.care.sync.line import LONGEST_ASKED
from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.operation.measurement.daily import SUMMARY, SYSTEM
from healix_fhir.store.body import unpack

MOST = 100
"""Versions in one request."""
WEIGHT = 4 << 20
"""Bytes of resources from which on a request is full."""
ORIGIN = Origin(client="sync")
"""The client of the trail."""
WORD = "synchronize"
SUMMARY_MARK = f'{{"system":"{SYSTEM}","code":"{SUMMARY}"'.encode()
"""The category of daily summaries, as it is stored."""
TOPIC_MARK = b'"code":"SubscriptionTopic"'


@dataclass(frozen=True, slots=True)
class Waiting:
    """A version that an upstream is to have; an empty `body` is a deletion, None what is kept no more or stays here.

    `known` is the last version that the upstream has acknowledged, 0 for none, and `etag` what it calls that.
    """

    seq: int
    type: str
    id: str
    version: int
    known: int
    etag: str | None
    body: bytes | None = None
    patient: str | None = None

    @property
    def url(self) -> str:
        """Its address below the base."""
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an upstream did not take a version: for what it is (`refused`), or for what is there: `theirs`, by `etag`."""

    reason: str
    refused: bool
    etag: str | None = None
    theirs: bytes | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a version: the upstream has it, as `etag`; or it does not take it."""

    one: Waiting
    etag: str | None = None
    refusal: Refusal | None = None


_NEXT = """
SELECT c.seq, c.type, c.id, c.version, coalesce(k.version, 0), k.etag
FROM sync_change c LEFT JOIN sync_known k ON k.upstream = c.upstream AND k.type = c.type AND k.id = c.id
WHERE c.upstream = %s AND NOT EXISTS (
  SELECT FROM sync_conflict x WHERE x.upstream = c.upstream AND x.type = c.type AND x.id = c.id)
ORDER BY c.seq LIMIT %s"""
_BODIES = """
SELECT CASE WHEN r.version = x.version THEN r.body ELSE h.body END, r.version IS DISTINCT FROM x.version,
       coalesce(CASE WHEN r.version = x.version THEN r.pat ELSE h.pat END, 0),
       coalesce(h.deleted, r.version = x.version AND r.deleted), k.id
FROM unnest(%s::int2[], %s::text[], %s::int[]) WITH ORDINALITY AS x (type, id, version, n)
LEFT JOIN resource r ON r.type = x.type AND r.id = x.id
LEFT JOIN resource_history h ON h.type = x.type AND h.id = x.id AND h.version = x.version
LEFT JOIN patient_key k ON k.pat = CASE WHEN r.version = x.version THEN r.pat ELSE h.pat END
ORDER BY x.n"""


def next_of(upstream: str, most: int = MOST) -> Work[list[Waiting]]:
    """The versions that go next, in order, each of another resource."""
    rows = yield Statement(_NEXT, (upstream, most))
    found: dict[tuple[str, str], Waiting] = {}
    for row in rows:
        one = Waiting(*row)
        if (one.type, one.id) in found:
            break
        found[one.type, one.id] = one
    several = list(found.values())
    if not several:
        return []
    bodies = yield Statement(
        _BODIES,
        ([TYPE_ID[one.type] for one in several], [one.id for one in several], [one.version for one in several]),
        prepare=False,
    )
    chosen: list[Waiting] = []
    weight = 0
    for one, row in zip(several, bodies, strict=True):
        whole = _whole(one, row)
        if chosen and weight + len(whole.body or b"") > WEIGHT:
            break
        weight += len(whole.body or b"")
        chosen.append(whole)
    return chosen


def _whole(one: Waiting, row: Row) -> Waiting:
    body, is_old, pat, deleted, patient = row
    bytes_: bytes | None = None
    if body is not None and pat >= 0 and one.version > one.known:
        bytes_ = b"" if deleted else unpack(body) if is_old else bytes(body)
    if bytes_ is not None and (_is_own(one, bytes_) if bytes_ else not one.known):
        bytes_ = None
    return Waiting(one.seq, one.type, one.id, one.version, one.known, one.etag, bytes_, patient)


def _is_own(one: Waiting, body: bytes) -> bool:
    """Whether an upstream has, or makes, one of its own: a summary of a day of readings, a topic of Subscriptions."""
    return (one.type == "Observation" and SUMMARY_MARK in body) or (one.type == "Basic" and TOPIC_MARK in body)


_HELD = """
INSERT INTO sync_conflict (upstream, type, id, version, refused, reason, etag, theirs)
SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::int[], %s::bool[], %s::text[], %s::text[], %s::bytea[])
ON CONFLICT (upstream, type, id) DO NOTHING"""
_KNOWN = """
INSERT INTO sync_known (upstream, type, id, version, etag)
SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::int[], %s::text[])
ON CONFLICT (upstream, type, id) DO UPDATE SET version = excluded.version, etag = excluded.etag"""
_GONE = "DELETE FROM sync_change WHERE upstream = %s AND seq = ANY(%s)"


def settle(upstream: str, settled: Sequence[Settled]) -> Work[None]:
    """Write down what became of versions, and who was sent what of whom."""
    held = [(one.one, one.refusal) for one in settled if one.refusal is not None]
    if held:
        yield Statement(
            _HELD,
            (
                upstream,
                [one.type for one, _ in held],
                [one.id for one, _ in held],
                [one.version for one, _ in held],
                [why.refused for _, why in held],
                [why.reason for _, why in held],
                [why.etag for _, why in held],
                [None if why.theirs is None else zstandard.compress(why.theirs) for _, why in held],
            ),
        )
    taken = [one for one in settled if one.refusal is None]
    sent = [one for one in taken if one.one.body is not None]
    if sent:
        yield Statement(
            _KNOWN,
            (
                upstream,
                [one.one.type for one in sent],
                [one.one.id for one in sent],
                [one.one.version for one in sent],
                [one.etag for one in sent],
            ),
        )
    if taken:
        yield Statement(_GONE, (upstream, [one.one.seq for one in taken]))
        yield Statement(
            """UPDATE sync_upstream SET success = now(), failures = 0, reason = NULL, sent = sent + %s
               WHERE name = %s""",
            (len(sent), upstream),
        )
    told = [(one.one, 4 if one.refusal else 0) for one in settled if one.one.body is not None]
    if told:
        yield record(
            [
                AuditRow(ORIGIN, "R", WORD, outcome, one.patient, one.url, f"version {one.version} to {upstream}")
                for one, outcome in told
            ]
        )


def failed(upstream: str, reason: str, seconds: float) -> Statement:
    """The upstream takes nothing now, and is left alone for so long."""
    return Statement(
        """UPDATE sync_upstream SET failures = least(failures + 1, 1000), reason = %s,
             due = now() + make_interval(secs => %s) WHERE name = %s""",
        (reason, seconds, upstream),
    )


def rest_of(upstream: str) -> Work[tuple[float, int]]:
    """Seconds for which it is left alone still, and how often in a row it failed.

    One that would be for longer than any pause failed before the clock was set back, and is not left alone.
    """
    rows = yield Statement(
        """SELECT CASE WHEN due <= now() + make_interval(secs => %s)
                       THEN greatest(0, extract(epoch FROM due - now()))::float8 ELSE 0 END, failures
           FROM sync_upstream WHERE name = %s""",
        (LONGEST_ASKED, upstream),
    )
    return (float(rows[0][0]), int(rows[0][1])) if rows else (0.0, 0)
