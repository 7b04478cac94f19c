"""Subscriptions in service, and whether their writers still have the access with which they wrote them.

A subscription acts in the name of its writer for longer than an access token lives. It ends with what gave that token:
when the token or the app's grant is revoked, an online grant's session is over, the app is closed or removed, the
account is closed or becomes somebody else. An access token that just expires ends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import Row
from healix_fhir.subscription.channel import Kind
from healix_fhir.subscription.guide import Content
from healix_fhir.subscription.topic import Trigger
from smart_auth.scope import Context, Permission, named, parse

STANDING = """NOT EXISTS (SELECT FROM access_token t WHERE t.hash = s.token AND t.revoked)
  AND (s.grant_id IS NULL OR EXISTS (
    SELECT FROM app_grant g WHERE g.id = s.grant_id AND g.ended IS NULL
      AND (g.session IS NULL OR EXISTS (SELECT FROM session o WHERE o.hash = g.session))))
  AND (NOT s.registered OR EXISTS (SELECT FROM client c WHERE c.id = s.client COLLATE "C" AND NOT c.disabled))
  AND NOT EXISTS (
    SELECT FROM account a WHERE a.username = s.account COLLATE "C" AND (a.disabled OR (s.practitioner IS NOT NULL
      AND (a.role <> 'practitioner' OR a.fhir_user IS DISTINCT FROM 'Practitioner/' || s.practitioner))))
  AND (s.channel <> 'email' OR EXISTS (
    SELECT FROM account m WHERE m.username = s.account COLLATE "C" AND m.mail = s.endpoint))"""
"""The condition on a row `s` of `subscription`."""

COLUMNS = """s.id, s.version, s.state, s.channel, s.content, s.topic, s.triggers, s.endpoint, s.headers, s.timeout,
  s.heartbeat, s.most, s.owner, s.events, s.told, s.attempts"""
ENDED = "the access with which it was written has ended"

TYPE = "Subscription"

_TRIGGERS = msgspec.json.Decoder(tuple[Trigger, ...])
_HEADERS = msgspec.json.Decoder(tuple[tuple[str, str], ...])
Owner = dict[str, str | None]
_OWNER = msgspec.json.Decoder(Owner)


def is_own(owner: Owner) -> bool:
    """Whether somebody wrote a Subscription as their own: without a scope that opens all of them."""
    opened = named(parse(owner["scope"] or ""), TYPE, Permission.CREATE)
    opened |= named(parse(owner["scope"] or ""), TYPE, Permission.UPDATE)
    return Context.SYSTEM not in opened


@dataclass(frozen=True, slots=True)
class Active:
    """A subscription in service. `waits` for a handshake; `stands`: its writer still has the access."""

    id: str
    version: int
    waits: bool
    kind: Kind
    content: Content
    topic: str | None
    triggers: tuple[Trigger, ...]
    endpoint: str
    headers: tuple[tuple[str, str], ...]
    timeout: int
    heartbeat: int
    most: int
    owner: Owner
    events: int
    told: int
    attempts: int
    stands: bool

    @property
    def is_own(self) -> bool:
        """Whether it is a person's, and not a system's."""
        return is_own(self.owner)

    @property
    def origin(self) -> Origin:
        """In whose name it acts, for the audit trail."""
        return Origin(self.owner["client"], self.owner["account"])


def active(row: Row) -> Active:
    """A row of `COLUMNS` and `STANDING`."""
    id_, version, state, kind, content, topic, triggers, endpoint, headers, *rest = row
    timeout, heartbeat, most, owner, events, told, attempts, stands = rest
    return Active(
        id_,
        version,
        state == "asking",
        Kind(kind),
        Content(content),
        topic,
        _TRIGGERS.decode(triggers),
        endpoint,
        _HEADERS.decode(headers),
        timeout,
        heartbeat,
        most,
        _OWNER.decode(owner),
        events,
        told,
        attempts,
        stands,
    )
