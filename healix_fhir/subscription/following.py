"""What those hear who follow a Subscription over an open connection: its events, as they see them at that moment.

A follower reads from the store, from a number on, so that nothing waits in memory and every node serves everyone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.subscription.channel import DEFAULT_MOST
from healix_fhir.subscription.events import Reader, Told, read_events
from healix_fhir.subscription.guide import Content
from healix_fhir.subscription.known import TYPE, Known, known, known_of
from healix_fhir.subscription.standing import COLUMNS, STANDING, active
from smart_auth.access import AccessContext, restored

Look = Callable[[], Work[tuple[AccessContext, Known] | None]]
"""The access with which somebody follows, and the Subscription as it is now; None once there is nothing to follow."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What is told next; `one` is None where the Subscription is no more in service, or no more seen."""

    one: Known | None
    content: Content = Content.EMPTY
    events: tuple[Told, ...] = ()


def by_access(access: AccessContext, id_: str) -> Work[tuple[AccessContext, Known] | None]:
    """Follow with an access, which must open the Subscription."""
    found = yield from known(access, [id_])
    return (access, found[0]) if found and found[0].in_service else None


def by_owner(username: str, id_: str, bases: tuple[str, ...]) -> Work[tuple[AccessContext, Known] | None]:
    """Follow as the person who wrote it, with the access with which it was written."""
    rows = yield Statement(
        f"SELECT {COLUMNS}, {STANDING} FROM subscription s WHERE s.id = %s AND s.account = %s AND s.state <> 'off'",
        (id_, username),
    )
    if not rows or not (one := active(rows[0])).stands:
        return None
    access = yield from restored(one.owner, ScopeQueries(bases))
    found = yield from known_of(id_)
    return (access, found) if found is not None and found.in_service else None


def hear(followers: Sequence[tuple[Look, int]]) -> Work[list[Heard]]:
    """What each follower hears after a number. What is told is in the audit trail."""
    looked = []
    for look, _ in followers:
        looked.append((yield from look()))
    readers, places = [], []
    for place, (found, (_, after)) in enumerate(zip(looked, followers, strict=True)):
        if found is not None:
            access, one = found
            places.append(place)
            readers.append(Reader(access, one.id, after, DEFAULT_MOST, _content(one).shows))
    events = (yield from read_events(readers)) if readers else []
    heard = [Heard(None)] * len(followers)
    rows: list[AuditRow] = []
    for place, told in zip(places, events, strict=True):
        found = looked[place]
        assert found is not None
        access, one = found
        heard[place] = Heard(one, _content(one), tuple(told))
        rows += [_audit(access, one, event) for event in told if event.shown is not None]
    if rows:
        yield record(rows)
    return heard


def _content(one: Known) -> Content:
    return one.content or Content.EMPTY


def _audit(access: AccessContext, one: Known, event: Told) -> AuditRow:
    assert event.shown is not None
    return AuditRow(
        access.origin,
        "R" if _content(one).shows else "E",
        "notification",
        patient=event.shown.patient,
        entity=f"{event.type}/{event.id}",
        query=f"{TYPE}/{one.id}",
    )
