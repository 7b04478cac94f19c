"""Notifications as resources of R4."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from healix_fhir.model.json import decode
from healix_fhir.model.validate import validate
from healix_fhir.subscription.catalogue import CATALOGUE, id_of
from healix_fhir.subscription.events import Told
from healix_fhir.subscription.guide import Content, Kind
from healix_fhir.subscription.notification import Head, notification
from healix_fhir.subscription.seen import Shown
from healix_fhir.subscription.topic import Topic, resource_of
from tests.support.topics import to_topic

HEAD = Head("https://healix.test/fhir", "s", "urn:healix:topic:reading", "error", 3, "the endpoint cannot be reached")
BODY = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
AT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
EVENTS = (
    Told(1, "Observation", "o", True, AT, Shown(1, json.dumps(BODY).encode(), "p")),
    Told(2, "Observation", "gone", False, AT, None),
    Told(3, "Observation", "o", False, AT, Shown(1, json.dumps(BODY).encode(), "p")),
)


@pytest.mark.spec(
    "hl7.fhir.uv.subscriptions-backport 1.1.0 StructureDefinition-backport-subscription-notification-r4.html"
)
@pytest.mark.parametrize("content", [Content.EMPTY, Content.ID_ONLY, Content.FULL])
@pytest.mark.parametrize("kind", Kind)
def test_they_are_valid(kind: Kind, content: Content) -> None:
    """Each kind is a valid history Bundle that begins with the status, and has each resource once."""
    bundle = decode(notification(HEAD, kind, content, EVENTS))
    assert [issue for issue in validate(bundle, "Bundle") if issue.severity == "error"] == []
    first, *others = bundle["entry"]
    assert first["resource"]["resourceType"] == "Parameters"
    assert all({"request", "response"} <= entry.keys() for entry in bundle["entry"])
    assert [entry["resource"] for entry in others] == ([BODY] if content is Content.FULL else [])


@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.title)
def test_topics_are_valid(topic: Topic) -> None:
    """What is served of a topic, and a Subscription to it, are valid resources of R4."""
    served = resource_of(topic, id_of(topic), "x")
    for resource in (served, to_topic(channel={"endpoint": "https://example.org"})):
        assert [issue for issue in validate(resource, resource["resourceType"]) if issue.severity == "error"] == []
