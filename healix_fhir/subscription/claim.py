"""What is due to be delivered, taken for a while: of each subscription the next events, in order.

A subscription is delivered by one at a time, so that its events arrive in the order of their numbers. Criteria and
access are looked at once more here: what was deleted, closed or changed meanwhile does not leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode_stored
from healix_fhir.search.extract import extract
from healix_fhir.subscription.events import Reader, Told, read_events
from healix_fhir.subscription.firing import may_fire
from healix_fhir.subscription.guide import Content, Kind
from healix_fhir.subscription.matching import matches
from healix_fhir.subscription.seen import accesses
from healix_fhir.subscription.standing import COLUMNS, ENDED, STANDING, Active, active
from healix_fhir.subscription.status import Reasons, stop
from healix_fhir.subscription.version import Version
from smart_auth.access import AccessContext

BATCH = 16
LEASE = 20
"""Seconds for which what is claimed is nobody else's; prolonged while it is being sent."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 3600.0
BETWEEN_MAILS = 60
"""Seconds between two mails of a subscription: what happens meanwhile is in the next."""
LONGEST_WAIT = f"""greatest({BETWEEN_MAILS}, heartbeat,
  CASE WHEN attempts > 0 THEN least({FIRST_PAUSE} * 2.0 ^ (attempts - 1), {LONGEST_PAUSE}) END)"""
"""Seconds after which a subscription as it stands is due at the latest, as SQL."""
AT_A_TIME = 10
"""Events of R4's notifications, which are requests of their own, that are delivered in one go."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What to send to one subscriber: `events` are those that are told of, `upto` is the last that is settled by it."""

    one: Active
    kind: Kind
    events: tuple[Told, ...]
    upto: int


def claim(bases: tuple[str, ...], most: int = BATCH) -> Work[tuple[int, list[Delivery]]]:
    """How many subscriptions were due, `most` of which are taken, and what is to be sent.

    Those whose time or access is over are turned off, and those whose criteria are good for nothing any more. What is
    due, or leased, for longer than it may be was put off before the clock was set back.
    """
    ended = yield Statement("SELECT id FROM subscription WHERE ends <= now() AND state <> 'off'")
    if ended:
        yield from stop({id_: ("off", None) for (id_,) in ended}, bases)
    rows = yield Statement(
        f"""UPDATE subscription s SET leased = now() + make_interval(secs => %s)
            WHERE s.id IN (SELECT id FROM subscription
                           WHERE (due <= now() OR due > now() + make_interval(secs => {LONGEST_WAIT}))
                             AND (leased IS NULL OR leased < now() OR leased > now() + make_interval(secs => %s))
                           ORDER BY due LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
            RETURNING {COLUMNS}, {STANDING}""",
        (LEASE, LEASE, most),
    )
    taken = [active(row) for row in rows]
    over = [one.id for one in taken if not one.stands]
    if over:
        yield from stop(dict.fromkeys(over, ("off", ENDED)), bases)
    standing = [one for one in taken if one.stands]
    waiting = [one for one in standing if not one.waits and one.events > one.told]
    deliveries = [Delivery(one, Kind.HANDSHAKE, (), one.told) for one in standing if one.waits]
    deliveries += [
        Delivery(one, Kind.HEARTBEAT, (), one.told)
        for one in standing
        if not one.waits and one.events == one.told and one.heartbeat
    ]
    broken: Reasons = {}
    deliveries += yield from _with_events(waiting, bases, broken)
    if broken:
        yield from stop(broken, bases)
    busy = {delivery.one.id for delivery in deliveries if delivery.events or delivery.kind is not Kind.EVENTS}
    answered = {delivery.one.id for delivery in deliveries}
    idle = [one for one in standing if one.id not in busy and (one.id in answered or one not in waiting)]
    yield _settled(idle, deliveries)
    return len(waiting), [delivery for delivery in deliveries if delivery.one.id in busy]


def prolong(ids: Sequence[str]) -> Statement:
    """Keep what is still being sent."""
    return Statement(
        "UPDATE subscription SET leased = now() + make_interval(secs => %s) WHERE id = ANY(%s) AND leased IS NOT NULL",
        (LEASE, list(ids)),
    )


def _settled(idle: Sequence[Active], deliveries: Sequence[Delivery]) -> Statement:
    """What has nothing to tell after all is done with."""
    upto = {delivery.one.id: delivery.upto for delivery in deliveries}
    return Statement(
        """UPDATE subscription s SET leased = NULL, told = greatest(s.told, x.upto),
             due = CASE WHEN s.events > greatest(s.told, x.upto) THEN now()
                        WHEN s.heartbeat > 0 THEN now() + make_interval(secs => s.heartbeat) END
           FROM unnest(%s::text[], %s::bigint[]) AS x (id, upto) WHERE s.id = x.id""",
        ([one.id for one in idle], [upto.get(one.id, one.told) for one in idle]),
    )


def _with_events(waiting: Sequence[Active], bases: tuple[str, ...], broken: Reasons) -> Work[list[Delivery]]:
    if not waiting:
        return []
    owners = yield from accesses([one.owner for one in waiting], bases)
    readers = [
        Reader(access, one.id, one.told, one.most if one.content.is_bundled else AT_A_TIME, one.content.shows)
        for one, access in zip(waiting, owners, strict=True)
    ]
    found = yield from read_events(readers)
    deliveries = []
    for one, access, events in zip(waiting, owners, found, strict=True):
        try:
            told = events if one.content.is_bundled else (yield from _still(one, access, events, bases))
        except HealixError as error:
            if error.category is not Category.UNAVAILABLE:  # what is, is taken again when the lease is over
                broken[one.id] = "error", error.message
            continue
        upto = events[-1].number if events else one.events  # those that are kept no more are not told
        deliveries.append(Delivery(one, Kind.EVENTS, tuple(told), upto))
    return deliveries


def _still(one: Active, access: AccessContext, events: Sequence[Told], bases: tuple[str, ...]) -> Work[list[Told]]:
    """Those events of R4's criteria whose resources meet them still; each present version is told of once.

    Raises HealixError for criteria that cannot be used any more.
    """
    trigger = one.triggers[0]
    last = {event.id: event for event in events if event.shown is not None}
    if trigger.looked_up:
        met = yield from matches(access, trigger.type, trigger.current, list(last), bases[0])
    else:
        met = {id_ for id_, event in last.items() if _meets(one, event, bases)}
    kept = [event for event in events if event.id in met]
    return [event for event in kept if last[event.id] is event] if one.content is Content.RESOURCE else kept


def _meets(one: Active, event: Told, bases: tuple[str, ...]) -> bool:
    assert event.shown is not None
    resource = decode_stored(event.shown.body)
    rows = extract(resource, event.type, bases)
    version = Version(event.type, event.id, event.shown.version, resource, rows, is_present=True)
    return may_fire(one.triggers[0], version, bases[0])
