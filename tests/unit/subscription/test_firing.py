"""When a version of a resource is an event of a topic."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.search.extract import extract
from healix_fhir.subscription.catalogue import BY_URL, CATALOGUE, URN, id_of
from healix_fhir.subscription.firing import fires, may_fire
from healix_fhir.subscription.topic import Trigger, is_topic, read_topic, resource_of
from healix_fhir.subscription.version import Version

BASE = "https://healix.test/fhir"


def version(type_name: str, now: dict[str, Any], before: dict[str, Any] | None = None) -> Version:
    """A version with this content, after one with that."""
    resource = {"resourceType": type_name, "id": "a", **now}
    made = Version(type_name, "a", 1 if before is None else 2, resource, extract(resource, type_name, (BASE,)), True)
    if before is not None:
        made.previous = {"resourceType": type_name, "id": "a", **before}
        made.previous_rows = extract(made.previous, type_name, (BASE,))
    return made


def does_fire(trigger: Trigger, one: Version) -> bool:
    """Whether it is an event."""
    return may_fire(trigger, one, BASE) and fires(trigger, one, BASE)


PRELIMINARY, FINAL, BOOKED = {"status": "preliminary"}, {"status": "final"}, {"status": "booked"}
ACTIVE = {"status": "active"}


@pytest.mark.spec("hl7.fhir.uv.subscriptions-backport 1.1.0 components.html#subscription-topics")
@pytest.mark.parametrize(
    ("topic", "before", "now", "expected"),
    [
        ("reading", None, FINAL, True),
        ("reading", FINAL, {"status": "amended"}, True),
        ("alert-opened", None, PRELIMINARY, True),
        ("alert-opened", None, FINAL, False),
        ("alert-opened", PRELIMINARY, PRELIMINARY, False),
        ("alert-acknowledged", PRELIMINARY, FINAL, True),
        ("alert-acknowledged", PRELIMINARY, PRELIMINARY | {"mitigation": [{"action": {"text": "seen"}}]}, True),
        ("alert-acknowledged", FINAL, FINAL, False),
        ("alert-acknowledged", None, PRELIMINARY, False),
        ("appointment-booked", None, BOOKED, True),
        ("appointment-booked", {"status": "proposed"}, BOOKED, True),
        ("appointment-booked", BOOKED, BOOKED, False),
        ("appointment-changed", BOOKED | {"start": "2024-01-01T10:00:00Z"}, BOOKED | {"start": "2024-01-01T11:00:00Z"},
         True),
        ("appointment-changed", BOOKED | {"description": "a"}, BOOKED | {"description": "b"}, False),
        ("appointment-changed", {"status": "proposed"}, BOOKED, False),
        ("appointment-changed", None, BOOKED, False),
        ("appointment-cancelled", BOOKED, {"status": "cancelled"}, True),
        ("appointment-cancelled", BOOKED, {"status": "fulfilled"}, False),
        ("prescription-signed", {"status": "draft"}, ACTIVE, True),
        ("prescription-signed", None, {"status": "draft"}, False),
        ("prescription-stopped", ACTIVE, {"status": "stopped"}, True),
        ("prescription-stopped", ACTIVE, {"status": "completed"}, False),
        ("images-arrived", None, {"status": "available", "numberOfInstances": 1}, True),
        ("images-arrived", {"numberOfInstances": 1}, {"numberOfInstances": 2}, True),
        ("images-arrived", {"numberOfInstances": 2}, {"numberOfInstances": 2}, False),
        ("report-final", PRELIMINARY, FINAL, True),
        ("report-final", FINAL, {"status": "amended"}, False),
        ("goal-status", {"lifecycleStatus": "active"}, {"lifecycleStatus": "completed"}, True),
        ("goal-status", {"lifecycleStatus": "active"}, {"lifecycleStatus": "active"}, False),
        (
            "goal-status", {"lifecycleStatus": "active"},
            {"lifecycleStatus": "active", "achievementStatus": {"coding": [{"code": "achieved"}]}}, True,
        ),
        ("encounter-start", {"status": "planned"}, {"status": "arrived"}, True),
        ("encounter-start", {"status": "arrived"}, {"status": "in-progress"}, False),
        ("encounter-end", {"status": "in-progress"}, {"status": "finished"}, True),
    ],
)  # fmt: skip
def test_topics_of_the_clinic(topic: str, before: dict[str, Any] | None, now: dict[str, Any], expected: bool) -> None:
    """Each topic of the catalogue fires on its transition, and on no other change."""
    (trigger,) = BY_URL[URN + topic].triggers
    assert does_fire(trigger, version(trigger.type, now, before)) is expected


@pytest.mark.spec("hl7.fhir.uv.subscriptions-backport 1.1.0 components.html#subscription-topics-in-r4")
@pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.title)
def test_what_is_served_of_a_topic_means_the_same(topic: Any) -> None:
    """The Basic resource of a topic of the catalogue is read as that topic."""
    served = resource_of(topic, id_of(topic), topic.title)
    assert is_topic(served)
    assert read_topic(served, BASE) == topic


def nested(name: str, *parts: dict[str, Any]) -> dict[str, Any]:
    """An extension with parts."""
    return {
        "url": f"http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic.{name}",
        "extension": parts,
    }


def own_topic(*parts: dict[str, Any], more: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """A topic of a caller's with one trigger."""
    url = {"url": f"{nested('x')['url'][:-1]}url", "valueUri": "urn:my:topic"}
    return {"resourceType": "Basic", "extension": [url, nested("resourceTrigger", *parts), *more]}


INCLUDE = {"url": "include", "valueString": "Observation:subject"}
OBSERVATION = {"url": "resource", "valueUri": "Observation"}


def query(**elements: Any) -> dict[str, Any]:
    """Criteria of a trigger."""
    kinds = {"requireBoth": "valueBoolean", "resultForCreate": "valueCode", "resultForDelete": "valueCode"}
    parts = [{"url": name, kinds.get(name, "valueString"): value} for name, value in elements.items()]
    return {"url": "queryCriteria", "extension": parts}


@pytest.mark.spec("FHIR R5 subscriptiontopic-definitions.html#SubscriptionTopic.resourceTrigger.queryCriteria")
@pytest.mark.parametrize(
    ("criteria", "before", "now", "expected"),
    [
        ({"current": "Observation?status=final"}, PRELIMINARY, FINAL, True),
        ({"current": "status=final"}, FINAL, PRELIMINARY, False),
        ({"previous": "status:not=final", "current": "status=final", "requireBoth": True}, FINAL, FINAL, False),
        ({"previous": "status:not=final", "current": "status=final", "requireBoth": True}, PRELIMINARY, FINAL, True),
        ({"previous": "status=final", "current": "status=final", "requireBoth": False}, FINAL, PRELIMINARY, True),
        ({"previous": "status=final", "resultForCreate": "test-fails"}, None, FINAL, False),
        ({"previous": "status=final", "resultForCreate": "test-passes"}, None, FINAL, True),
    ],
)
def test_query_criteria(criteria: dict[str, Any], before: Any, now: Any, expected: bool) -> None:
    """Criteria of a caller's topic hold of the new version and the one before as R5 says."""
    (trigger,) = read_topic(own_topic(OBSERVATION, query(**criteria)), BASE).triggers
    assert does_fire(trigger, version("Observation", now, before)) is expected


@pytest.mark.spec("FHIR R5 subscriptiontopic-definitions.html#SubscriptionTopic.resourceTrigger.supportedInteraction")
def test_interactions() -> None:
    """A trigger on creations fires on nothing else."""
    (trigger,) = read_topic(
        own_topic(OBSERVATION, {"url": "supportedInteraction", "valueCode": "create"}), BASE
    ).triggers
    assert does_fire(trigger, version("Observation", FINAL))
    assert not does_fire(trigger, version("Observation", FINAL, FINAL))


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        (own_topic(OBSERVATION, {"url": "supportedInteraction", "valueCode": "delete"}), "delete is not"),
        (own_topic(OBSERVATION, {"url": "supportedInteraction", "valueString": "create"}), "create and update"),
        (own_topic(OBSERVATION, query(resultForDelete="test-passes")), "resultForDelete is not supported"),
        (own_topic(OBSERVATION, query(current="_lastUpdated=gt2020")), "more than the resource itself"),
        (own_topic(OBSERVATION, query(current="patient.name=x")), "more than the resource itself"),
        (own_topic(OBSERVATION, {"url": "fhirPathCriteria", "valueString": "1 +"}), "FHIRPath"),
        (own_topic({"url": "resource", "valueUri": "Nonsense"}), "criteria cannot be used"),
        (own_topic(OBSERVATION, more=(nested("eventTrigger"),)), "eventTrigger is not supported"),
        (own_topic(OBSERVATION, more=(nested("notificationShape", INCLUDE),)), "only resource"),
        ({"resourceType": "Basic", "extension": []}, "canonical url"),
    ],
)  # fmt: skip
def test_what_topics_cannot_have_is_refused_by_name(resource: dict[str, Any], reason: str) -> None:
    """Nothing of a caller's topic is ignored."""
    with pytest.raises(HealixError, match=reason):
        read_topic(resource, BASE)
