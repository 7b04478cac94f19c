"""What a Subscription may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.subscription.catalogue import BY_URL, URN
from healix_fhir.subscription.channel import Channel, read_channel, topic_of
from healix_fhir.subscription.guide import DEFINITIONS, Content
from healix_fhir.subscription.topic import Trigger
from smart_auth.access import AccessContext
from smart_auth.scope import parse
from tests.support.topics import to_topic

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


OTHER_CHANNEL = {"extension": [{"url": f"{DEFINITIONS}/backport-channel-type"}]}
READING = BY_URL[f"{URN}reading"]


def to(**asked: Any) -> Channel:
    """A Subscription to the topic of readings, as it is read."""
    resource = to_topic(channel={"endpoint": "https://example.org/hook"} | asked.pop("channel", {}), **asked)
    access = AccessContext(parse("system/*.cruds"))
    assert topic_of(resource) == READING.url
    return read_channel(resource, access, BASE, READING, allow_private=False)


@pytest.mark.spec("hl7.fhir.uv.subscriptions-backport 1.1.0 StructureDefinition-backport-subscription.html")
def test_what_the_guide_lets_ask_for() -> None:
    """Content, filter, heartbeat, timeout and most events of a topic."""
    one = to(content="full-resource", filter="Observation?patient=p1", heartbeat=60, timeout=5, most=7)
    assert (one.topic, one.content, one.shakes_hands) == (READING.url, Content.FULL, True)
    assert (one.heartbeat, one.timeout, one.most) == (60, 5, 7)
    assert [trigger.filter for trigger in one.triggers] == ["patient=p1"]
    assert to(content=None).content is Content.EMPTY
    assert not to(channel={"type": "websocket"}).shakes_hands
    assert to(channel={"type": "email", "endpoint": "mailto:a@example.org"}).endpoint == "a@example.org"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"content": "everything"}, "backport-payload-content is"),
        ({"heartbeat": 1}, "backport-heartbeat-period is"),
        ({"timeout": 3600}, "backport-timeout is"),
        ({"most": 5000}, "backport-max-count is"),
        ({"filter": "Observation?subject:Patient.name=x"}, "not filtered by Observation.subject"),
        ({"filter": "Patient?name=x"}, "not filtered by Patient.name"),
        ({"filter": "Observation?nonsense=x"}, "not filtered by Observation.nonsense"),
        ({"channel": {"payload": "application/fhir+xml"}}, "payload application/fhir.xml is not supported"),
        ({"channel": {"type": "sms"}}, "channel type sms"),
        ({"channel": {"type": "email", "endpoint": "mailto:a@example.org"}, "heartbeat": 60}, "heartbeats by e-mail"),
        ({"channel": {"_type": OTHER_CHANNEL}}, "backport-channel-type"),
    ],
)  # fmt: skip
def test_what_it_does_not_is_refused_by_name(asked: dict[str, Any], reason: str) -> None:
    """Nothing that is asked of a topic is ignored."""
    with pytest.raises(HealixError, match=reason):
        to(**asked)


def test_extensions_of_the_guide_need_a_topic() -> None:
    """Criteria as R4 has them have no heartbeat."""
    resource = to_topic(channel={"endpoint": "https://example.org/hook"}, heartbeat=60)
    with pytest.raises(HealixError, match="need the canonical of a topic"):
        read(resource | {"criteria": "Observation?status=final"})


@pytest.mark.parametrize("scope", ["system/Patient.rs", "system/Observation.r", "system/Observation.s"])
def test_the_writer_needs_access(scope: str) -> None:
    """Who may not search and read the type cannot be notified of it with its content."""
    with pytest.raises(HealixError, match="do not open Observation"):
        read(subscription(payload="application/fhir+json"), scope)
    assert read(subscription(), "system/Observation.s").content is Content.NOTICE
