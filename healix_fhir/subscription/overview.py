"""Subscriptions as administrators look after them: how each goes, and started again by hand.

Nothing of what they are about is shown: criteria and addresses may name patients, or hold secrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import not_found
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.subscription.activate import keyed
from healix_fhir.subscription.catalogue import BY_URL
from healix_fhir.subscription.channel import Kind
from healix_fhir.subscription.queue import wake
from healix_fhir.subscription.standing import COLUMNS, active
from healix_fhir.subscription.status import present, set_status, versioned

TYPE = "Subscription"
LISTED = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One Subscription. `again` is when it is tried next; `can_start`: it was in service before."""

    id: str
    status: str
    error: str | None
    about: str
    channel: str
    to: str
    writer: str
    events: int
    waiting: int
    failures: int
    again: datetime | None
    delivered: datetime | None
    failed: datetime | None
    can_start: bool


def listing() -> Work[list[Line]]:
    """Those that fail or are off first."""
    rows = yield Statement(
        """SELECT r.id, r.body, coalesce(s.version = r.version, false),
                  s.state, s.channel, s.topic, s.endpoint, s.account, s.client,
                  coalesce(s.events, 0), coalesce(s.told, 0), coalesce(s.attempts, 0), s.due, s.delivered, s.failed,
                  s.reason
           FROM resource r LEFT JOIN subscription s ON s.id = r.id
           WHERE r.type = %s AND NOT r.deleted
           ORDER BY coalesce(s.state = 'active' AND s.attempts = 0, false), r.id LIMIT %s""",
        (TYPE_ID[TYPE], LISTED),
    )
    return [_line(row) for row in rows]


def _line(row: Row) -> Line:
    id_, body, served, state, channel, topic, endpoint, account, client, events, told, attempts, *times = row
    due, delivered, failed, reason = times
    resource = decode_stored(bytes(body))
    kind = channel or resource["channel"]["type"]
    return Line(
        id_,
        resource["status"],
        resource.get("error") or (reason if state != "off" else None),
        _about(resource["criteria"], topic),
        kind,
        (urlsplit(endpoint).hostname or "") if endpoint and kind == Kind.REST_HOOK else "",
        " ".join(one for one in (account, client) if one),
        events,
        events - told if kind != Kind.WEBSOCKET else 0,
        attempts,
        due if attempts else None,
        delivered,
        failed,
        served and (state == "off" or attempts > 0),
    )


def _about(criteria: str, topic: str | None) -> str:
    """What it is about: a topic, or a type."""
    if topic is not None:
        return BY_URL[topic].title if topic in BY_URL else topic
    return criteria.partition("?")[0][:64]


def restart(id_: str, who: Origin, bases: tuple[str, ...]) -> Work[None]:
    """Take a Subscription into service again, with the access with which it was written, and try at once.

    Raises NotFound for one that is not there, never was in service, or was written anew since: whoever has turned it
    off has the last word, and what is served is what is written.
    """
    current = yield from present([id_])
    rows = yield Statement(f"SELECT {COLUMNS}, true FROM subscription s WHERE s.id = %s FOR NO KEY UPDATE", (id_,))
    if not rows or id_ not in current or rows[0][1] != current[id_][0]:
        raise not_found(f"there is no Subscription {id_[:64]} that was in service as it is written now")
    one = active(rows[0])
    asks = one.kind is Kind.REST_HOOK and one.content.is_bundled
    yield Statement(
        """UPDATE subscription SET state = %s, attempts = 0, leased = NULL, reason = NULL,
             due = CASE WHEN channel <> 'websocket' THEN now() END WHERE id = %s""",
        ("asking" if asks else "active", id_),
    )
    yield from keyed([(id_, one.triggers)], bases[0])
    made = yield from set_status(current, {id_: ("requested" if asks else "active", None)}, bases)
    yield versioned(made)
    yield wake([id_])
    yield record([AuditRow(who, "U", "subscription", entity=f"{TYPE}/{id_}", query="started again")])
