"""Notifications as the backport guide has them for R4: a history Bundle that begins with a status as Parameters.

Spec: hl7.fhir.uv.subscriptions-backport 1.1.0, notifications.html, payloads.html
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from healix_fhir.kernel.clock import instant
from healix_fhir.model.json import encode
from healix_fhir.subscription.events import Told
from healix_fhir.subscription.guide import NOTIFICATION, STATUS, Content, Kind

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Head:
    """What every status says of its subscription; `total` is the number of the last event that it counts."""

    base: str
    id: str
    topic: str | None
    status: str
    total: int
    error: str | None = None

    @property
    def url(self) -> str:
        """The address of the Subscription."""
        return f"{self.base}/Subscription/{self.id}"


def notification(head: Head, kind: Kind, content: Content, events: Sequence[Told] = ()) -> bytes:
    """A notification of `kind` with these events."""
    first = {
        "fullUrl": f"urn:uuid:{uuid.uuid4()}",
        "resource": status(head, kind, content, events),
        "request": {"method": "GET", "url": f"Subscription/{head.id}/$status"},
        "response": {"status": "200"},
    }
    full = content in (Content.FULL, Content.RESOURCE)
    entries = [_entry(head.base, one) for one in _newest(events) if full and one.shown is not None]
    bundle = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [NOTIFICATION]},
        "type": "history",
        "entry": [first, *entries],
    }
    return encode(bundle)


def status(head: Head, kind: Kind, content: Content = Content.EMPTY, events: Sequence[Told] = ()) -> Json:
    """The status of a subscription: what R5 has as SubscriptionStatus."""
    parameters: list[Json] = [
        {"name": "subscription", "valueReference": {"reference": head.url}},
        *([{"name": "topic", "valueCanonical": head.topic}] if head.topic else []),
        {"name": "status", "valueCode": head.status},
        {"name": "type", "valueCode": str(kind)},
        {"name": "events-since-subscription-start", "valueString": str(head.total)},
        *({"name": "notification-event", "part": list(_parts(head.base, one, content))} for one in events),
    ]
    if head.error:
        parameters.append({"name": "error", "valueCodeableConcept": {"text": head.error}})
    return {
        "resourceType": "Parameters",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [STATUS]},
        "parameter": parameters,
    }


def _parts(base: str, event: Told, content: Content) -> Iterator[Json]:
    yield {"name": "event-number", "valueString": str(event.number)}
    yield {"name": "timestamp", "valueInstant": instant(event.at)}
    if content not in (Content.EMPTY, Content.NOTICE) and event.shown is not None:
        yield {"name": "focus", "valueReference": {"reference": f"{base}/{event.type}/{event.id}"}}


def _newest(events: Sequence[Told]) -> list[Told]:
    """The last event of each resource: its present version goes out once. Spec: FHIR R4 bundle.html bdl-7"""
    return list({(one.type, one.id): one for one in events}.values())


def _entry(base: str, event: Told) -> Json:
    assert event.shown is not None
    name = f"{event.type}/{event.id}"
    created = event.created and event.shown.version == 1
    return {
        "fullUrl": f"{base}/{name}",
        "resource": msgspec.Raw(event.shown.body),
        "request": {"method": "POST", "url": event.type} if created else {"method": "PUT", "url": name},
        "response": {"status": "201" if created else "200"},
    }
