"""The Subscriptions that a caller may see, with how they go.

A Subscription is a resource like others: the access predicate says who sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.subscription.guide import Content
from healix_fhir.subscription.notification import Head
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

TYPE = "Subscription"
SELECT = """SELECT r.id, r.body, s.topic, coalesce(s.events, 0), s.state, s.channel, s.content,
  coalesce(s.heartbeat, 0) FROM resource r LEFT JOIN subscription s ON s.id = r.id"""
MOST = 1000
"""Subscriptions of one answer."""


@dataclass(frozen=True, slots=True)
class Known:
    """A Subscription; `state`, `channel` and `content` are None where it never was in service."""

    id: str
    status: str
    error: str | None
    topic: str | None
    events: int
    state: str | None
    channel: str | None
    content: Content | None
    heartbeat: int

    @property
    def in_service(self) -> bool:
        """Whether there are events to come."""
        return self.state not in (None, "off")

    def head(self, base: str) -> Head:
        """What a status says of it."""
        return Head(base, self.id, self.topic, self.status, self.events, self.error)


def known(access: AccessContext, ids: Sequence[str] | None = None) -> Work[list[Known]]:
    """Those that `access` may read, or those of them among `ids`. Raises Forbidden without a scope to read any."""
    access.require(TYPE, Permission.READ)
    condition = access.predicate(TYPE, Permission.READ, "r")
    rows = yield Statement(
        f"""{SELECT}
            WHERE r.type = %s AND NOT r.deleted AND (%s::text[] IS NULL OR r.id = ANY(%s)) AND {condition.sql}
            ORDER BY r.id LIMIT %s""",
        (TYPE_ID[TYPE], ids, ids, *condition.params, MOST),
    )
    return [_known(row) for row in rows]


def known_of(id_: str) -> Work[Known | None]:
    """A Subscription, for its own writer, whom the caller has looked for."""
    rows = yield Statement(f"{SELECT} WHERE r.type = %s AND NOT r.deleted AND r.id = %s", (TYPE_ID[TYPE], id_))
    return _known(rows[0]) if rows else None


def _known(row: Row) -> Known:
    id_, body, topic, events, state, channel, content, heartbeat = row
    resource = decode_stored(bytes(body))
    kept = Content(content) if content is not None else None
    return Known(id_, resource["status"], resource.get("error"), topic, events, state, channel, kept, heartbeat)
