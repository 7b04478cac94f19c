"""Hands outbox events to their consumers.

A consumer gets all claimed events of a topic at once and works in the transaction that removes them. When it fails,
the events are handed out singly, so that one bad event holds up only itself; that one goes back with a pause.
Consumers therefore must bear repetition and changed order: they look at the present state, not at the event's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import psycopg
from psycopg import Connection

from healix_fhir.kernel.database import Row, Work, run
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.outbox import Event, claim, postpone
from healix_fhir.kernel.refusal import is_of_the_statement

Consumer: TypeAlias = Callable[[Sequence[Event]], Work[None]]
Consumers: TypeAlias = Mapping[str, Sequence[Consumer]]

BATCH = 1000
NAMED = 20
"""Ids of requests that the log tells of a batch."""
log = get_logger("outbox")


def drain(connection: Connection[Row], consumers: Consumers) -> int:
    """Handle one batch of due events that have consumers in one transaction; returns how many were taken."""
    with connection.transaction():
        events = run(connection, claim(BATCH, list(consumers)))
        for topic in dict.fromkeys(event.topic for event in events):
            group = [event for event in events if event.topic == topic]
            if not _attempt(connection, consumers[topic], group):
                _one_by_one(connection, consumers[topic], group)
    return len(events)


def _attempt(connection: Connection[Row], consumers: Sequence[Consumer], events: Sequence[Event]) -> bool:
    """Run all consumers on `events` in a savepoint; False when one failed and nothing was kept."""
    try:
        with connection.transaction():
            for consumer in consumers:
                run(connection, consumer(events))
    except Exception as error:
        if isinstance(error, psycopg.Error) and not is_of_the_statement(error):
            raise  # the connection or the server is away: the whole batch stays in the outbox
        requests = sorted({event.payload["request"] for event in events if "request" in event.payload})[:NAMED]
        told = {"topic": events[0].topic, "events": len(events), "attempts": events[0].attempts}
        log.exception("consumer failed", **told, requests=requests)
        return False
    return True


def _one_by_one(connection: Connection[Row], consumers: Sequence[Consumer], events: Sequence[Event]) -> None:
    for event in events:
        if len(events) == 1 or not _attempt(connection, consumers, [event]):
            again = postpone(event)
            connection.execute(again.sql, again.params)
