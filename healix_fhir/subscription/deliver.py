"""Delivers notifications: claimed for a while, sent in parallel outside of any transaction, then settled one by one.

A worker that dies leaves its claims to others; a receiver may then get a notification twice, with the same event
numbers. What fails is tried again with growing pauses: after `SHOWN` failures in a row the Subscription shows the
status `error` and why, after `ATTEMPTS` it is turned off. Whenever the receiver takes one again, all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import Event
from time import monotonic
from typing import TypeVar

from psycopg import Connection
from psycopg.errors import DeadlockDetected, SerializationFailure

from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Row, Statement, Work, one, run
from healix_fhir.kernel.language.spoken import speaking
from healix_fhir.kernel.mail import queue as mail
from healix_fhir.subscription.channel import Kind as Channel
from healix_fhir.subscription.claim import (
    BATCH,
    BETWEEN_MAILS,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Delivery,
    claim,
    prolong,
)
from healix_fhir.subscription.events import Told
from healix_fhir.subscription.guide import Content, Kind
from healix_fhir.subscription.letter import letter
from healix_fhir.subscription.notification import Head, notification
from healix_fhir.subscription.send import Failure, Notice, send
from healix_fhir.subscription.status import stop, tell

SHOWN, ATTEMPTS = 3, 20
RETRIES = 5
PROLONG = 5.0
LOOK = 0.2
"""Seconds without an answer after which what has come due meanwhile is sent beside what is under way."""
T = TypeVar("T")
Spoken = Callable[[str], Work[str]]
"""The language in which the person of an account is spoken to."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a delivery: up to which event it was taken, which were told then, and why no further."""

    upto: int
    told: tuple[Told, ...]
    failure: Failure | None = None
    failed: Told | None = None


def deliverer(
    bases: tuple[str, ...], spoken: Spoken, *, allow_private: bool, halt: Event | None = None
) -> Callable[[Connection[Row]], int]:
    """The step that sends due notifications, for a server whose FHIR base URLs are `bases`; of how many it was told.

    Mails are in the language in which the person of an account is `spoken` to.

    While a receiver is slow it goes on with what comes due for others, until `halt` is set.
    """
    halting = halt or Event()

    def deliver_due(connection: Connection[Row]) -> int:
        taken, deliveries = _retried(connection, lambda: claim(bases))
        if not deliveries:
            return taken
        with ThreadPoolExecutor(BATCH, thread_name_prefix="notify") as threads:

            def begun(several: Sequence[Delivery]) -> dict[Future[Result], Delivery]:
                return {
                    threads.submit(_deliver, delivery, bases[0], allow_private=allow_private): delivery
                    for delivery in several
                }

            sent, count, prolonged = begun(deliveries), len(deliveries), monotonic()
            while sent:
                done, _ = wait(sent, LOOK, FIRST_COMPLETED)
                for future in done:
                    _retried(connection, partial(_settle, sent.pop(future), future.result(), bases, spoken))
                if sent and monotonic() - prolonged >= PROLONG:
                    run(connection, one(prolong([each.one.id for each in sent.values()])))
                    prolonged = monotonic()
                if sent and not done and len(sent) < BATCH and not halting.is_set():
                    _, further = _retried(connection, partial(claim, bases, BATCH - len(sent)))
                    sent |= begun(further)
                    count += len(further)
        return count

    return deliver_due


def _retried(connection: Connection[Row], make: Callable[[], Work[T]]) -> T:
    """Run a use case in a transaction of its own; again when it lost a race."""
    for attempt in range(RETRIES):
        try:
            with connection.transaction():
                return run(connection, make())
        except (DeadlockDetected, SerializationFailure):
            if attempt == RETRIES - 1:
                raise
    raise AssertionError("unreachable")


def _deliver(delivery: Delivery, base: str, *, allow_private: bool) -> Result:
    """Send it, event by event where each is a request of its own, until one is not taken.

    What a person's app subscribed to goes to no private network, whatever systems may.
    """
    one = delivery.one
    allow_private = allow_private and not one.is_own
    if one.kind is Channel.EMAIL:
        return Result(delivery.upto, delivery.events)
    if one.content.is_bundled:
        failure = send(_bundled(delivery, base), allow_private=allow_private)
        if failure is None:
            return Result(delivery.upto, delivery.events)
        return Result(one.told, (), failure, delivery.events[-1] if delivery.events else None)
    for place, event in enumerate(delivery.events):
        failure = send(_plain(delivery, event), allow_private=allow_private)
        if failure is not None:
            return Result(event.number - 1, delivery.events[:place], failure, event)
    return Result(delivery.upto, delivery.events)


def _bundled(delivery: Delivery, base: str) -> Notice:
    one = delivery.one
    status = "requested" if one.waits else "error" if one.attempts >= SHOWN else "active"
    total = delivery.upto if delivery.kind is Kind.EVENTS else one.events
    head = Head(base, one.id, one.topic, status, total)
    body = notification(head, delivery.kind, one.content, delivery.events)
    return Notice(one.endpoint, one.headers, body, seconds=one.timeout)


def _plain(delivery: Delivery, event: Told) -> Notice:
    """R4's notification: with a payload `PUT [endpoint]/[type]/[id]`, the form of a FHIR update.

    R4 leaves that open, and receivers that speak FHIR expect it. Without one it is an empty POST.
    """
    one = delivery.one
    if one.content is Content.NOTICE:
        return Notice(one.endpoint, one.headers, None)
    assert event.shown is not None
    return Notice(one.endpoint, one.headers, event.shown.body, "PUT", f"/{event.type}/{event.id}")


def _settle(delivery: Delivery, result: Result, bases: tuple[str, ...], spoken: Spoken) -> Work[None]:
    one = delivery.one
    still = yield _done(delivery, result) if result.failure is None else _failed(delivery, result, result.failure)
    if not still:
        return  # it has ended or changed meanwhile
    if one.kind is Channel.EMAIL and delivery.events:
        theirs = yield from spoken(one.owner["account"] or "")
        with speaking(theirs):
            told = letter(delivery, bases[0])
        yield mail.post([told])
    audits = [_audit(delivery, event, 0) for event in result.told]
    if result.failed is not None:
        audits.append(_audit(delivery, result.failed, 8))
    if audits:
        yield record(audits)
    yield from _show(delivery, result, bases)


def _show(delivery: Delivery, result: Result, bases: tuple[str, ...]) -> Work[None]:
    """Let the Subscription say how it goes, where that has changed."""
    one, failure = delivery.one, result.failure
    if failure is None:
        if one.waits or one.attempts >= SHOWN:
            yield from tell({one.id: ("active", None)}, bases)
        return
    failures = 1 if result.told else one.attempts + 1
    if failure.final:
        yield from stop({one.id: ("error", failure.reason)}, bases)
    elif failures >= ATTEMPTS:
        yield from stop({one.id: ("off", failure.reason)}, bases)
    elif failures >= SHOWN:
        yield from tell({one.id: ("error", failure.reason)}, bases)


def _done(delivery: Delivery, result: Result) -> Statement:
    one = delivery.one
    pause = BETWEEN_MAILS if one.kind is Channel.EMAIL else 0
    return Statement(
        """UPDATE subscription SET told = greatest(told, %s), state = 'active', attempts = 0, leased = NULL,
             delivered = now(), reason = NULL,
             due = CASE WHEN events > greatest(told, %s) OR %s > 0 THEN now() + make_interval(secs => %s)
                        WHEN heartbeat > 0 THEN now() + make_interval(secs => heartbeat) END
           WHERE id = %s AND version = %s AND state <> 'off' RETURNING id""",
        (result.upto, result.upto, pause, pause, one.id, one.version),
    )


def _failed(delivery: Delivery, result: Result, failure: Failure) -> Statement:
    one = delivery.one
    failures = 1 if result.told else one.attempts + 1
    pause = min(FIRST_PAUSE * 2.0 ** (failures - 1), LONGEST_PAUSE)
    return Statement(
        """UPDATE subscription SET told = greatest(told, %s), attempts = %s, leased = NULL, failed = now(),
             reason = %s, due = now() + make_interval(secs => %s)
           WHERE id = %s AND version = %s AND state <> 'off' RETURNING id""",
        (result.upto, failures, failure.reason, pause, one.id, one.version),
    )


def _audit(delivery: Delivery, event: Told, outcome: int) -> AuditRow:
    """A notification with a resource tells its receiver what it holds: that is a read by the Subscription's writer."""
    return AuditRow(
        delivery.one.origin,
        "R" if delivery.one.content.shows and event.shown is not None else "E",
        "notification",
        outcome,
        patient=event.shown.patient if event.shown is not None else None,
        entity=f"{event.type}/{event.id}",
        query=f"Subscription/{delivery.one.id}",
    )
