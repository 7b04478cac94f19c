"""Subscriptions to topics, as the backport guide has them, and their notifications."""

from __future__ import annotations

import json
from typing import Any

from healix_fhir.subscription import guide
from healix_fhir.subscription.catalogue import URN

Json = dict[str, Any]


def to_topic(
    topic: str = "reading", content: str | None = "id-only", channel: Json | None = None, **asked: Any
) -> Json:
    """A Subscription to a topic of the catalogue, or of any url; `asked` are filter, heartbeat, timeout and most."""
    urls = {"heartbeat": guide.HEARTBEAT, "timeout": guide.TIMEOUT, "most": guide.MOST}
    kinds = {"heartbeat": "valueUnsignedInt", "timeout": "valueUnsignedInt", "most": "valuePositiveInt"}
    extensions = [{"url": urls[name], kinds[name]: value} for name, value in asked.items() if name in urls]
    resource: Json = {
        "resourceType": "Subscription",
        "meta": {"profile": [guide.SUBSCRIPTION]},
        "status": "requested",
        "reason": "test",
        "criteria": topic if ":" in topic else f"{URN}{topic}",
        "channel": {
            "type": "rest-hook",
            "payload": "application/fhir+json",
            **(channel or {}),
            **({"extension": extensions} if extensions else {}),
        },
    }
    if content is not None:
        resource["channel"]["_payload"] = {"extension": [{"url": guide.CONTENT, "valueCode": content}]}
    if "filter" in asked:
        resource["_criteria"] = {"extension": [{"url": guide.FILTER, "valueString": asked["filter"]}]}
    return resource


def told(body: bytes | str | Json) -> Json:
    """What a notification says in short: its type, status, total, and its events as (number, focus)."""
    bundle = body if isinstance(body, dict) else json.loads(body)
    status = bundle["entry"][0]["resource"]
    values = {one["name"]: one for one in status["parameter"]}
    events = []
    for one in status["parameter"]:
        if one["name"] == "notification-event":
            parts = {part["name"]: part for part in one["part"]}
            focus = parts["focus"]["valueReference"]["reference"] if "focus" in parts else None
            events.append((int(parts["event-number"]["valueString"]), focus and "/".join(focus.split("/")[-2:])))
    return {
        "type": values["type"]["valueCode"],
        "status": values["status"]["valueCode"],
        "total": int(values["events-since-subscription-start"]["valueString"]),
        "events": events,
        "resources": [entry["resource"]["id"] for entry in bundle["entry"][1:]],
    }
