"""Gives events their numbers, in the order in which they came, and wakes who delivers them.

The rows of the subscriptions are locked first, in the order of their ids, so that numbers have no gaps and an event
that comes again gets none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import CHANNEL as OUTBOX

CHANNEL = "healix_subscription"
"""Notified with the ids of Subscriptions that have events, parted by spaces, or with nothing: any may."""
LONGEST = 7000
"""Bytes of a notification; PostgreSQL takes 8000."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event of a subscription: a version of a resource."""

    subscription: str
    type: str
    id: str
    version: int
    created: bool


def number(events: Sequence[Happened]) -> Work[None]:
    """Number events and keep them, those that are known already apart."""
    ids = sorted({one.subscription for one in events})
    yield Statement("SELECT id FROM subscription WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", (ids,))
    rows = yield Statement(
        """WITH given AS (
             SELECT DISTINCT ON (subscription, type, id, version) *
             FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[], %s::bool[])
                  WITH ORDINALITY AS x (subscription, type, id, version, created, n)
             ORDER BY subscription, type, id, version, n),
           fresh AS (
             SELECT g.*, row_number() OVER (PARTITION BY g.subscription ORDER BY g.n) AS place FROM given g
             WHERE NOT EXISTS (
               SELECT FROM subscription_event e WHERE e.subscription = g.subscription AND e.type = g.type
                 AND e.id = g.id AND e.version = g.version)),
           counted AS (
             UPDATE subscription s SET events = s.events + c.count,
               due = CASE WHEN s.channel = 'websocket' THEN NULL WHEN s.attempts > 0 OR s.channel = 'email'
                          THEN coalesce(s.due, now()) ELSE now() END
             FROM (SELECT subscription, count(*) FROM fresh GROUP BY subscription) c
             WHERE s.id = c.subscription AND s.state <> 'off' RETURNING s.id, s.events - c.count AS before),
           kept AS (
             INSERT INTO subscription_event (subscription, number, type, id, version, created)
             SELECT f.subscription, c.before + f.place, f.type, f.id, f.version, f.created
             FROM fresh f JOIN counted c ON c.id = f.subscription)
           SELECT id FROM counted""",
        (
            [one.subscription for one in events],
            [one.type for one in events],
            [one.id for one in events],
            arrays.int4(one.version for one in events),
            [one.created for one in events],
        ),
        prepare=False,
    )
    if rows:
        yield wake([id_ for (id_,) in rows])


def wake(ids: Sequence[str]) -> Statement:
    """Tell everybody who delivers that these have something to tell."""
    named = " ".join(ids)
    return Statement(
        "SELECT pg_notify(%s, ''), pg_notify(%s, %s)", (OUTBOX, CHANNEL, named if len(named) <= LONGEST else "")
    )
