"""Errands at other systems, written in the transaction that asks for them and done by the job worker.

Like mails and notifications, and unlike jobs, they are tried for days: a peer may be switched off over a weekend. One
that fails is tried again with pauses that double; after `PATIENCE` it is given up, audited, and kept to be seen. A
receiver that does not answer is left alone for a while with all that it is to have, and has all of it when it is
back, so that an evening's studies neither wait for each one's pause nor knock one by one at a closed door.

Each is done at least once: who does it again finds out by itself how far it was (`after`). One that is asked for while
it is done is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from healix_fhir.kernel import arrays
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import not_found

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 3600.0
LONGEST_WAIT = 90_000.0
"""Seconds after which an errand begins at the latest: a study may have to be quiet for a day (routing/rules.py)."""
PATIENCE = "3 days"
"""How long after it was asked for an errand is given up."""
KEPT = "30 days"
"""How long an errand that has ended is kept. An image that comes later than that to a study that was sent has the study
sent again.
"""
LISTED = 1000
CHANNEL = "healix_errands"
"""Where it is announced that there is something to do."""


class Kind(StrEnum):
    """What is to be done. Those that come first here are done first."""

    EVENT = "event"
    COMMITMENT = "commitment"
    COMMIT = "commit"
    NOTICE = "notice"
    PUSH = "push"
    PULL = "pull"
    GET = "get"
    SEND = "send"
    PRIORS = "priors"
    SYNC = "sync"


SHORT = frozenset({Kind.EVENT, Kind.COMMITMENT, Kind.COMMIT, Kind.NOTICE})
"""What takes a moment wherever it goes. It is done beside what takes long, also at the same receiver."""


class Wanted(msgspec.Struct, frozen=True):
    """An errand to be asked for; it begins after `wait` seconds."""

    kind: Kind
    receiver: str
    about: str
    rule: str = ""
    wait: float = 0


class Errand(msgspec.Struct, frozen=True):
    """An errand that is being done."""

    seq: int
    kind: Kind
    receiver: str
    about: str
    rule: str
    times: int
    after: int
    attempts: int
    asked: datetime


class Listed(msgspec.Struct, frozen=True):
    """An errand as an operator sees it."""

    seq: int
    kind: str
    receiver: str
    about: str
    rule: str
    attempts: int
    asked: datetime
    due: datetime
    ended: datetime | None
    given_up: bool
    reason: str | None


_LISTED = """seq, kind, receiver, about, rule, attempts, asked,
  greatest(due, (SELECT a.until FROM errand_away a WHERE a.receiver = errand.receiver)), ended, given_up, reason"""
"""The columns of `Listed`."""

_FIRST = f"CASE WHEN errand.kind = '{Kind.PRIORS}' AND errand.ended IS NOT NULL THEN 0 ELSE errand.after END"
"""Where an errand that is asked for again begins: the places of instances stay, those of what a peer has do not."""

_ASK = f"""
WITH asked AS (
  INSERT INTO errand (kind, receiver, about, rule, due)
  SELECT x.kind, x.receiver, x.about, x.rule, now() + make_interval(secs => x.wait)
  FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::float8[]) AS x (kind, receiver, about, rule, wait)
  ON CONFLICT (kind, receiver, about, rule) DO UPDATE SET
    times = errand.times + 1, due = excluded.due, after = {_FIRST},
    asked = CASE WHEN errand.ended IS NULL THEN errand.asked ELSE now() END,
    attempts = CASE WHEN errand.ended IS NULL THEN errand.attempts ELSE 0 END,
    reason = CASE WHEN errand.ended IS NULL THEN errand.reason END, ended = NULL, given_up = false
  WHERE errand.ended IS NULL OR errand.ended < now() - make_interval(secs => %s))
SELECT pg_notify('{CHANNEL}', '')"""


def ask(wanted: Sequence[Wanted], *, rest: float = 0) -> Statement:
    """Ask for errands when the caller's transaction commits. One that waits already starts its `wait` anew; one that
    was done is done again, though not within `rest` seconds after that.
    """
    distinct = {(one.kind, one.receiver, one.about, one.rule): one for one in wanted}.values()
    return Statement(
        _ASK,
        (
            arrays.text(one.kind.value for one in distinct),
            arrays.text(one.receiver for one in distinct),
            arrays.text(one.about for one in distinct),
            arrays.text(one.rule for one in distinct),
            [one.wait for one in distinct],
            rest,
        ),
    )


_BEGIN = f"""
WITH asked AS (
  INSERT INTO errand AS e (kind, receiver, about, rule, due)
  VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s))
  ON CONFLICT (kind, receiver, about, rule) DO UPDATE SET
    times = e.times + 1, after = 0, due = excluded.due, asked = now(), attempts = 0, reason = NULL,
    ended = NULL, given_up = false
  RETURNING seq, receiver),
  back AS (DELETE FROM errand_away a USING asked WHERE a.receiver = asked.receiver)
SELECT seq, pg_notify('{CHANNEL}', '') FROM asked"""


def begin(one: Wanted) -> Work[int]:
    """Ask for an errand to be done from its beginning, however far it was; its number."""
    rows = yield Statement(_BEGIN, (one.kind.value, one.receiver, one.about, one.rule, one.wait))
    return int(rows[0][0])


_KNOWN = """
WITH RECURSIVE known AS (
  (SELECT receiver FROM errand WHERE ended IS NULL ORDER BY receiver LIMIT 1)
  UNION ALL
  SELECT (SELECT e.receiver FROM errand e WHERE e.ended IS NULL AND e.receiver > k.receiver ORDER BY e.receiver LIMIT 1)
  FROM known k WHERE k.receiver IS NOT NULL)"""
"""Goes from receiver to receiver in an index, however many errands each has."""

_ASTRAY = f"""{_KNOWN}
UPDATE errand SET due = now(), asked = least(asked, now()) WHERE seq IN (
  SELECT x.seq FROM known k CROSS JOIN LATERAL (
    SELECT e.seq FROM errand e
    WHERE e.receiver = k.receiver AND e.ended IS NULL AND e.asked > now() + interval '1 minute'
    UNION ALL
    SELECT e.seq FROM errand e
    WHERE e.receiver = k.receiver AND e.ended IS NULL AND e.due > now() + make_interval(secs => {LONGEST_PAUSE} + 60)
      AND (e.attempts > 0 OR e.kind = '{Kind.SYNC}' OR e.due > now() + make_interval(secs => {LONGEST_WAIT}))) x)"""
"""What was asked for later than now, or is due later than anything may be, was so before the clock was set back: it
does not wait until then.
"""

_RECEIVERS = f"""{_KNOWN}
SELECT k.receiver FROM known k
WHERE k.receiver IS NOT NULL AND EXISTS (
    SELECT FROM unnest(%s::text[]) x (kind) CROSS JOIN LATERAL (
      SELECT FROM errand e
      WHERE e.receiver = k.receiver AND e.kind = x.kind COLLATE "C" AND e.ended IS NULL AND e.due <= now()
      ORDER BY e.due, e.seq LIMIT 1) first)
  AND NOT EXISTS (
    SELECT FROM errand_away a WHERE a.receiver = k.receiver AND a.until > now()
      AND a.until <= now() + make_interval(secs => least({FIRST_PAUSE} * 2 ^ (a.failures - 1), {LONGEST_PAUSE})))"""


def receivers(kinds: Sequence[Kind]) -> Work[list[str]]:
    """Whose errands of these kinds are due and who is not known to be away, by name."""
    yield Statement(_ASTRAY)
    rows = yield Statement(_RECEIVERS, ([kind.value for kind in kinds],))
    return [receiver for (receiver,) in rows]


_NEXT = """
SELECT e.* FROM unnest(%s::text[]) WITH ORDINALITY k (kind, place)
CROSS JOIN LATERAL (
  SELECT e.seq, e.kind, e.receiver, e.about, e.rule, e.times, e.after, e.attempts, e.asked FROM errand e
  WHERE e.receiver = %s AND e.kind = k.kind COLLATE "C" AND e.ended IS NULL AND e.due <= now()
  ORDER BY e.due, e.seq LIMIT 1) e
ORDER BY k.place LIMIT 1"""


def next_of(receiver: str, kinds: Sequence[Kind]) -> Work[Errand | None]:
    """The errand to do next at a receiver, by the order of the kinds. The caller holds the receiver's lock."""
    rows = yield Statement(_NEXT, ([kind.value for kind in kinds], receiver))
    return Errand(rows[0][0], Kind(rows[0][1]), *rows[0][2:]) if rows else None


def due_now(seq: int) -> Work[Errand | None]:
    """An errand by its number, unless it has ended or waits for better times. The caller holds its receiver's lock."""
    rows = yield Statement(
        """SELECT seq, kind, receiver, about, rule, times, after, attempts, asked FROM errand
           WHERE seq = %s AND ended IS NULL AND attempts = 0""",
        (seq,),
    )
    return Errand(rows[0][0], Kind(rows[0][1]), *rows[0][2:]) if rows else None


_NOTED = """after = CASE WHEN asked = %s THEN %s ELSE after END, attempts = 0,
  reason = CASE WHEN ended IS NOT NULL THEN reason WHEN attempts = 0 THEN coalesce(%s, reason) ELSE %s END"""
"""What succeeded forgets why it failed before, but not what its earlier parts had to say. One that was begun anew
meanwhile is not further for what was done before, and what was cancelled stays so.
"""


def done(errand: Errand, after: int, note: str | None, audits: Sequence[AuditRow]) -> Work[None]:
    """An errand is done, and it is known how far; unless it was asked for meanwhile. Its receiver is there."""
    yield Statement(
        f"UPDATE errand SET {_NOTED}, ended = CASE WHEN times = %s THEN now() ELSE ended END WHERE seq = %s",
        (errand.asked, after, note, note, errand.times, errand.seq),
    )
    yield _present(errand.receiver)
    if audits:
        yield record(audits)


def put_off(errand: Errand, after: int, seconds: float, note: str | None, audits: Sequence[AuditRow]) -> Work[None]:
    """An errand goes on later, from where it is."""
    yield Statement(
        f"UPDATE errand SET {_NOTED}, due = now() + make_interval(secs => %s) WHERE seq = %s",
        (errand.asked, after, note, note, seconds, errand.seq),
    )
    if audits:
        yield _present(errand.receiver)
        yield record(audits)


GivenUp = Callable[[Kind, str], AuditRow]
"""What the trail says of an errand that is given up: of its kind, and what it was about."""


def refused(errand: Errand, reason: str, gave_up: GivenUp, *, final: bool) -> Work[bool]:
    """An errand failed at a receiver that is there; whether it is given up: when it is `final`, or after `PATIENCE`.

    One that was cancelled meanwhile stays so.
    """
    pause = min(FIRST_PAUSE * 2.0 ** min(errand.attempts, 16), LONGEST_PAUSE)
    rows = yield Statement(
        f"""UPDATE errand SET attempts = attempts + 1, reason = %s, due = now() + make_interval(secs => %s),
                   ended = CASE WHEN %s OR asked < now() - interval '{PATIENCE}' THEN now() END,
                   given_up = %s OR asked < now() - interval '{PATIENCE}'
            WHERE seq = %s AND ended IS NULL RETURNING given_up""",
        (reason, pause, final, final, errand.seq),
    )
    yield _present(errand.receiver)
    is_over = bool(rows and rows[0][0])
    if is_over:
        yield record([gave_up(errand.kind, errand.about)])
    return is_over


_LEAVE = f"""
WITH tried AS (UPDATE errand SET attempts = attempts + 1, reason = %s WHERE seq = %s)
INSERT INTO errand_away AS a (receiver, failures, until) VALUES (%s, 1, now() + make_interval(secs => {FIRST_PAUSE}))
ON CONFLICT (receiver) DO UPDATE SET failures = least(a.failures + 1, 16),
  until = now() + make_interval(secs => least({FIRST_PAUSE} * 2 ^ a.failures, {LONGEST_PAUSE}))"""

_OVER = f"""
UPDATE errand SET ended = now(), given_up = true, reason = coalesce(reason, %s) WHERE seq IN (
  SELECT seq FROM errand WHERE receiver = %s AND ended IS NULL AND asked < now() - interval '{PATIENCE}'
  ORDER BY asked LIMIT {LISTED})
RETURNING kind, about"""


def away(errand: Errand, reason: str, gave_up: GivenUp) -> Work[int]:
    """A receiver cannot be reached: it is left alone for a while; of what it is to have that is given up which was
    asked for `PATIENCE` ago, and how much that is.
    """
    yield Statement(_LEAVE, (reason, errand.seq, errand.receiver))
    over = yield Statement(_OVER, (reason, errand.receiver))
    if over:
        yield record([gave_up(Kind(kind), about) for kind, about in over])
    return len(over)


def _present(receiver: str) -> Statement:
    return Statement("DELETE FROM errand_away WHERE receiver = %s", (receiver,))


def waiting(*, everything: bool) -> Work[list[Listed]]:
    """What waits and what was given up, the oldest first; with `everything` also what was done. At most `LISTED`."""
    condition = "true" if everything else "(ended IS NULL OR given_up)"
    rows = yield Statement(
        f"SELECT {_LISTED} FROM errand WHERE {condition} ORDER BY seq LIMIT %s",
        (LISTED,),
    )
    return [Listed(*row) for row in rows]


def state(seq: int) -> Work[Listed]:
    """An errand as it stands. Raises NotFound."""
    rows = yield Statement(f"SELECT {_LISTED} FROM errand WHERE seq = %s", (seq,))
    return _one(rows)


def cancel(seq: int) -> Work[Listed]:
    """Give up an errand that has not ended; what it is just doing may still be done. Raises NotFound."""
    rows = yield Statement(
        f"""UPDATE errand SET ended = now(), given_up = true, reason = 'cancelled', times = times + 1
            WHERE seq = %s AND ended IS NULL RETURNING {_LISTED}""",
        (seq,),
    )
    return _one(rows)


def _one(rows: Sequence[Row]) -> Listed:
    if not rows:
        raise not_found("there is no such errand")
    return Listed(*rows[0])


def retry(seq: int) -> Work[Listed]:
    """Do an errand now, whatever became of it. Raises NotFound."""
    rows = yield Statement(
        f"""UPDATE errand SET times = times + 1, after = {_FIRST}, asked = now(), due = now(), attempts = 0,
                   ended = NULL, given_up = false, reason = NULL WHERE seq = %s RETURNING {_LISTED}""",
        (seq,),
    )
    found = _one(rows)
    yield _present(found.receiver)
    yield Statement(f"SELECT pg_notify('{CHANNEL}', '')")
    return found


def sweep() -> Statement:
    """Forget what ended long ago, and receivers that have nothing to get."""
    return Statement(
        f"""WITH gone AS (DELETE FROM errand WHERE ended < now() - interval '{KEPT}')
            DELETE FROM errand_away a
            WHERE NOT EXISTS (SELECT FROM errand e WHERE e.receiver = a.receiver AND e.ended IS NULL)"""
    )
