"""What a Subscription may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.subscription.channel import read_channel
from healix_fhir.subscription.guide import Content
from healix_fhir.subscription.topic import Trigger
from smart_auth.access import AccessContext
from smart_auth.scope import parse

BASE = "https://healix.test/fhir"


def subscription(criteria: str = "Observation?status=final", **channel: Any) -> dict[str, Any]:
    """A rest-hook."""
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "test",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": "https://example.org/hook", **channel},
    }


def read(resource: dict[str, Any], scope: str = "system/*.cruds") -> Any:
    """Read it as a writer with `scope`."""
    return read_channel(resource, AccessContext(parse(scope)), BASE, allow_private=False)


def test_supported() -> None:
    """A rest-hook with or without payload is understood."""
    channel = read(subscription(payload="application/fhir+json", header=["Authorization: Bearer x", "X-A:  b"]))
    assert channel.triggers == (Trigger("Observation", current="status=final"),)
    assert (channel.content, channel.shakes_hands) == (Content.RESOURCE, False)
    assert channel.headers == (("Authorization", "Bearer x"), ("X-A", "b"))
    assert channel.ends is None
    assert read(subscription("Patient")).content is Content.NOTICE
    assert read(subscription() | {"end": "2030-01-01T00:00:00Z"}).ends.year == 2030


@pytest.mark.spec("FHIR R4 subscription.html")
@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (subscription(type="sms"), "channel type sms"),
        (subscription(type="message"), "channel type message"),
        (subscription(type="websocket", payload="application/fhir+json"), "over a web socket"),
        (subscription(type="email"), "mail address"),
        (subscription(payload="application/fhir+xml"), "payload application/fhir"),
        (subscription(payload=""), "payload"),
        (subscription() | {"channel": {"type": "rest-hook"}}, "needs an endpoint"),
        (subscription(endpoint="https://10.0.0.1/x"), "private network"),
        (subscription("Observation?nonsense=1"), "criteria cannot be used"),
        (subscription("Nonsense?x=1"), "criteria cannot be used"),
        (subscription("Observation?status:weird=final"), "criteria cannot be used"),
        (subscription("Observation?_include=Observation:subject"), "_include is not supported"),
        (subscription("Observation?_count=5"), "_count is not supported"),
        (subscription("Observation?_has:Condition:subject:code=1"), "is not supported"),
        (subscription(header=["Host: other"]), "server's own"),
        (subscription(header=["transfer-encoding: chunked"]), "server's own"),
        (subscription(header=["no colon"]), "Name: value"),
        (subscription(header=["X: a\r\nY: b"]), "Name: value"),
        (subscription(header=[f"X-{n}: a" for n in range(30)]), "at most"),
        (subscription() | {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]}, "modifier extensions"),
    ],
)
def test_refused_by_name(resource: dict[str, Any], reason: str) -> None:
    """What is not supported is refused with a reason, never accepted and ignored."""
    with pytest.raises(HealixError, match=reason):
        read(resource)


@pytest.mark.parametrize("scope", ["system/Patient.rs", "system/Observation.r", "system/Observation.s"])
def test_the_writer_needs_access(scope: str) -> None:
    """Who may not search and read the type cannot be notified of it with its content."""
    with pytest.raises(HealixError, match="do not open Observation"):
        read(subscription(payload="application/fhir+json"), scope)
    assert read(subscription(), "system/Observation.s").content is Content.NOTICE
