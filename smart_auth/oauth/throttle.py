"""Counts what is limited, over all processes and nodes, with one statement a hit.

A hit is counted before the work that it pays for, atomically and in a transaction of its own: what is done at once
cannot pass a limit together, and no failure later takes a count back. It is counted by all of its rules or, when one
holds it, by none. A process remembers for `REMEMBERED` seconds who has to wait, and refuses without asking.

The table is not logged: a crash of the database begins all counts anew. Its rows end with their windows and there are
never more than `MOST`, beside those of the last minute: what is forgotten first is what ends first.

Names and addresses stand in it as hashes. IPv6 callers are counted by their /64.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from healix_fhir.kernel.database import Row, Statement, Work, aat_once, one
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.kernel.quota import Quota
from smart_auth.network import network
from smart_auth.oauth.limits import ADDRESS, By, Rule
from smart_auth.store import digest

REMEMBERED = 5.0
CAPACITY = 10_000
MOST = 1_000_000
CLEANING = 60.0
TRIES = 3
FAMILIAR = 30 * 86400
"""Seconds for which an address where an account signed in is familiar."""

HIT = """WITH asked AS MATERIALIZED (
  SELECT * FROM unnest(%(bucket)s::bytea[], %(quota)s::int4[], %(window)s::float8[], %(pause)s::float8[],
                       %(longest)s::float8[], %(familiar)s::bool[]) AS a (bucket, quota, span, pause, longest, familiar)
  WHERE NOT (a.familiar AND EXISTS (SELECT FROM throttle k WHERE k.bucket = %(known)s AND k.expires > now()))
), held AS (
  SELECT bucket, t.hits, t.until FROM asked JOIN throttle t USING (bucket) WHERE t.until > now()
), counted AS (
  INSERT INTO throttle AS t (bucket, quota, pause, longest, hits, until, expires)
  SELECT bucket, quota, pause, longest, 1,
         CASE WHEN quota = 1 THEN now() + make_interval(secs => CASE WHEN pause = 0 THEN span ELSE pause END) END,
         now() + make_interval(secs => span)
  FROM asked WHERE NOT EXISTS (SELECT FROM held) ORDER BY bucket
  ON CONFLICT (bucket) DO UPDATE SET (quota, pause, longest, hits, until, expires) = (
    SELECT EXCLUDED.quota, EXCLUDED.pause, EXCLUDED.longest, n.hits, w.until, greatest(w.until, n.ends)
    FROM (SELECT CASE WHEN t.expires > now() THEN t.hits + 1 ELSE 1 END AS hits,
                 CASE WHEN t.expires > now() AND EXCLUDED.pause = 0 THEN t.expires ELSE EXCLUDED.expires END AS ends) n,
    LATERAL (SELECT CASE
      WHEN n.hits < EXCLUDED.quota THEN NULL
      WHEN EXCLUDED.pause = 0 THEN n.ends
      ELSE now() + make_interval(secs => least(EXCLUDED.longest,
                                               EXCLUDED.pause * 2 ^ least(n.hits - EXCLUDED.quota, 30)))
      END AS until) w)
  WHERE t.until IS NULL OR t.until <= now()
  RETURNING bucket, hits, until, expires
)
SELECT bucket, c.hits, h.bucket IS NOT NULL,
       extract(epoch FROM coalesce(h.until, c.until, c.expires) - now())::float8
FROM asked LEFT JOIN counted c USING (bucket) LEFT JOIN held h USING (bucket)"""

RIGHT = """WITH mine AS MATERIALIZED (
  SELECT bucket FROM throttle WHERE bucket = ANY(%(all)s::bytea[]) ORDER BY bucket FOR UPDATE
), forgotten AS (
  DELETE FROM throttle t USING mine WHERE t.bucket = mine.bucket AND t.bucket = ANY(%(own)s::bytea[])
), less AS (
  UPDATE throttle t SET hits = greatest(t.hits - 1, 0), until = CASE WHEN t.hits > t.quota THEN t.until END
  FROM mine WHERE t.bucket = mine.bucket AND t.bucket <> ALL(%(own)s::bytea[])
)
INSERT INTO throttle (bucket, quota, pause, longest, hits, expires)
SELECT bucket, 0, 0, 0, 0, now() + make_interval(secs => %(seconds)s) FROM unnest(%(known)s::bytea[]) AS k (bucket)
ON CONFLICT (bucket) DO UPDATE SET expires = EXCLUDED.expires"""

CLEAN = """DELETE FROM throttle WHERE bucket IN (
  SELECT bucket FROM throttle
  WHERE expires <= greatest(now(), (SELECT expires FROM throttle ORDER BY expires DESC OFFSET %s LIMIT 1))
  FOR UPDATE SKIP LOCKED)"""


@dataclass(frozen=True, slots=True)
class Hit:
    """What was counted: the buckets of its guesses, those of them that are of one account at one address, the
    familiar address that a right guess makes, and what is left of each limit.
    """

    guesses: tuple[bytes, ...]
    own: tuple[bytes, ...]
    known: tuple[bytes, ...]
    quotas: tuple[Quota, ...]


class Throttle:
    """The limits of one process over `pool`; `changed` are the rules that the operator wants otherwise, by name."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection[Row]], changed: Mapping[str, Rule] | None = None
    ) -> None:
        self._pool = pool
        self._changed = changed or {}
        self._held: dict[bytes, tuple[float, Quota, frozenset[bytes]]] = {}
        self._cleaned = time.monotonic()

    async def hit(
        self,
        rules: Sequence[Rule],
        *,
        account: str | None = None,
        client: str | None = None,
        address: str | None = None,
    ) -> Hit:
        """Count one by each of the `rules` that have what they count by. Raises Busy when one of them holds it."""
        said = {By.ACCOUNT: account, By.CLIENT: client, By.ADDRESS: address}
        asked = self._asked(rules, said)
        known = _familiar(account, address)
        self._recall(asked, known)
        if not asked:
            return Hit((), (), (), ())
        rows: dict[bytes, Row] = {}
        for attempt in range(TRIES):
            rows = {bytes(row[0]): row for row in await aat_once(self._pool, one(_statement(asked, known)))}
            if any(row[2] for row in rows.values()) or all(row[1] is not None for row in rows.values()):
                break
            await asyncio.sleep(0.001 * attempt)  # another was counted at this moment: look what holds it now
        quotas = {bucket: _quota(asked[bucket], row) for bucket, row in rows.items()}
        if any(row[1] is None for row in rows.values()):
            held = {bucket: quotas[bucket] for bucket, row in rows.items() if row[2]}
            await self._remember(asked, held, known)
            raise busy(tuple(held.values()))
        await self._clean()
        guesses = {bucket: rule for bucket, rule in asked.items() if rule.guess and bucket in rows}
        own = tuple(bucket for bucket, rule in guesses.items() if set(rule.by) == {By.ACCOUNT, By.ADDRESS})
        return Hit(tuple(guesses), own, (known,) if known else (), tuple(quotas.values()))

    def _asked(self, rules: Sequence[Rule], said: Mapping[By, str | None]) -> dict[bytes, Rule]:
        """The rules that apply, by their buckets in the order in which all statements lock them."""
        applied = [
            self._changed.get(rule.name, rule) for rule in rules if all(said[part] is not None for part in rule.by)
        ]
        return dict(sorted((_bucket(rule, said), rule) for rule in applied))

    def _recall(self, asked: Mapping[bytes, Rule], known: bytes | None) -> None:
        """Refuse at once what this process knows to be held, but for the accounts that are familiar at an address."""
        now = time.monotonic()
        found = [self._held[bucket] for bucket in asked if bucket in self._held]
        held = [quota for until, quota, spared in found if until > now and known not in spared]
        if held:
            raise busy(tuple(held))

    async def _remember(self, asked: Mapping[bytes, Rule], held: Mapping[bytes, Quota], known: bytes | None) -> None:
        if len(self._held) >= CAPACITY:
            self._held.clear()
        spared: frozenset[bytes] = frozenset()
        if known is not None and any(asked[bucket].familiar and asked[bucket].by == ADDRESS for bucket in held):
            rows = await aat_once(self._pool, one(_familiar_at(known)))
            spared = frozenset(bytes(row[0]) for row in rows)
        for bucket, quota in held.items():
            rule = asked[bucket]
            if not rule.familiar or (rule.by == ADDRESS and len(spared) < CAPACITY):
                until = time.monotonic() + min(REMEMBERED, quota.seconds)
                self._held[bucket] = until, quota, spared if rule.familiar else frozenset()

    async def _clean(self) -> None:
        if time.monotonic() - self._cleaned > CLEANING:
            self._cleaned = time.monotonic()
            await aat_once(self._pool, one(clean()))


def right(hit: Hit) -> Statement:
    """The guess of `hit` was right: take it back, forget those before it, and know the address."""
    everything = sorted(hit.guesses)
    return Statement(RIGHT, {"all": everything, "own": list(hit.own), "known": list(hit.known), "seconds": FAMILIAR})


def unlock(username: str) -> Work[bool]:
    """Forget all that is counted of an account; False when nothing held it."""
    owner = _owner(username)
    rows = yield Statement(
        """DELETE FROM throttle WHERE bucket >= %s AND bucket < %s AND hits > 0 RETURNING until > now()""",
        (owner, owner + b"\xff" * 17),
    )
    return any(row[0] for row in rows)


def held_for(usernames: Sequence[str]) -> Work[dict[str, float]]:
    """For how many seconds accounts are held at some address or everywhere; those that are not are left out."""
    owners = [_owner(username) for username in usernames]
    rows = yield Statement(
        """SELECT n.name, extract(epoch FROM max(t.until) - now())::float8
           FROM unnest(%s::text[], %s::bytea[], %s::bytea[]) AS n (name, low, high)
           JOIN throttle t ON t.bucket >= n.low AND t.bucket < n.high AND t.until > now() GROUP BY n.name""",
        (list(usernames), owners, [owner + b"\xff" * 17 for owner in owners]),
    )
    return dict(rows)


def clean() -> Statement:
    """Remove counts that are over, and the oldest when there are too many."""
    return Statement(CLEAN, (MOST,))


def busy(quotas: tuple[Quota, ...]) -> HealixError:
    """The refusal of who has to wait."""
    seconds = max(1, *(quota.seconds for quota in quotas)) if quotas else 1
    told = f"{seconds} s" if seconds < 2 * 60 else f"{math.ceil(seconds / 60)} min"
    return HealixError(Category.BUSY, f"too many attempts; try again in {told}", retry_after=seconds, quotas=quotas)


def _statement(asked: Mapping[bytes, Rule], known: bytes | None) -> Statement:
    rules = asked.values()
    return Statement(
        HIT,
        {
            "bucket": list(asked),
            "quota": [rule.quota for rule in rules],
            "window": [rule.window for rule in rules],
            "pause": [rule.pause for rule in rules],
            "longest": [rule.longest for rule in rules],
            "familiar": [rule.familiar for rule in rules],
            "known": known,
        },
    )


def _quota(rule: Rule, row: Row) -> Quota:
    _, hits, is_held, seconds = row
    left = 0 if is_held or hits is None else max(0, rule.quota - hits)
    return Quota(rule.name, rule.quota, rule.window, left, max(0, math.ceil(seconds or 0)))


def _bucket(rule: Rule, said: Mapping[By, str | None]) -> bytes:
    """The key of a count. Those of one account begin alike, so that they can be found."""
    values = [network(said[part]) if part is By.ADDRESS else str(said[part]).strip().lower() for part in rule.by]
    named = digest("\0".join((rule.name, *values)))[:16]
    return (_owner(said[By.ACCOUNT] or "") if By.ACCOUNT in rule.by else named) + named


def _familiar(account: str | None, address: str | None) -> bytes | None:
    """The key of an account at an address. Those of one address begin alike, so that they can be found."""
    if account is None or address is None:
        return None
    return digest(f"familiar\0{network(address)}")[:16] + _owner(account)


def _familiar_at(known: bytes) -> Statement:
    """The keys of all accounts that are familiar at the address of `known`, up to `CAPACITY`."""
    return Statement(
        "SELECT bucket FROM throttle WHERE bucket >= %s AND bucket < %s AND expires > now() LIMIT %s",
        (known[:16], known[:16] + b"\xff" * 17, CAPACITY),
    )


def _owner(username: str) -> bytes:
    return digest(f"account\0{username.strip().lower()}")[:16]
