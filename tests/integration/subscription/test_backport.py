"""Subscriptions to topics, from handshake to notification, over a real database and real HTTP."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.database import transaction
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from healix_fhir.subscription import events, guide
from healix_fhir.subscription.catalogue import URN
from healix_fhir.subscription.topic import CODE, ROOT, Topic
from healix_fhir.subscription.topics import find_topics
from smart_auth.access import AccessContext
from smart_auth.scope import parse
from tests.integration.subscription.conftest import Notified, observation
from tests.support.receiver import Receiver
from tests.support.search import EVERYONE
from tests.support.topics import to_topic, told


def subscribe(
    clinic: Notified, receiver: Receiver, id_: str = "s", access: AccessContext = EVERYONE, **asked: Any
) -> None:
    """Write a Subscription to a topic and let it be handled."""
    resource = to_topic(channel={"endpoint": receiver.url}, **asked)
    clinic.write(resource | {"id": id_}, access)
    clinic.events()


def heard(receiver: Receiver) -> list[dict[str, Any]]:
    """What was told since it was asked last."""
    found = [told(one.body) for one in receiver.seen]
    receiver.seen.clear()
    return found


@pytest.mark.spec("hl7.fhir.uv.subscriptions-backport 1.1.0 workflow.html")
def test_a_handshake_comes_first(clinic: Notified, receiver: Receiver) -> None:
    """A Subscription is active once its receiver has answered; until then nothing else is sent."""
    receiver.status = 500
    subscribe(clinic, receiver)
    clinic.write(observation("o1"))
    clinic.events()
    clinic.deliver()
    assert clinic.state("s") == ("requested", None)
    assert [one["type"] for one in heard(receiver)] == ["handshake"]
    receiver.status = 200
    clinic.due_now()
    clinic.deliver()
    assert clinic.state("s") == ("active", None)
    clinic.deliver()
    first, second = heard(receiver)
    assert first == {"type": "handshake", "status": "requested", "total": 1, "events": [], "resources": []}
    events = [(1, "Observation/o1")]
    assert second == {"type": "event-notification", "status": "active", "total": 1, "events": events, "resources": []}


@pytest.mark.spec("hl7.fhir.uv.subscriptions-backport 1.1.0 payloads.html")
@pytest.mark.parametrize(("content", "focus", "resources"), [
    ("empty", None, []), ("id-only", "Observation/o1", []), ("full-resource", "Observation/o1", ["o1"]),
    (None, None, []),
])  # fmt: skip
def test_payloads(clinic: Notified, receiver: Receiver, content: str, focus: str, resources: list[str]) -> None:
    """A notification holds what was asked for: nothing, references, or resources; nothing unless asked."""
    subscribe(clinic, receiver, content=content)
    clinic.deliver()
    heard(receiver)
    clinic.write(observation("o1"))
    clinic.events()
    clinic.deliver()
    (request,) = receiver.seen
    assert (request.method, request.path) == ("POST", "/hook")
    bundle = json.loads(request.body)
    assert (bundle["type"], bundle["meta"]["profile"]) == ("history", [guide.NOTIFICATION])
    (one,) = heard(receiver)
    assert (one["events"], one["resources"]) == ([(1, focus)], resources)
    assert content == "full-resource" or b"final" not in request.body


@pytest.mark.spec("hl7.fhir.uv.subscriptions-backport 1.1.0 errors.html#recovering")
def test_events_are_numbered_and_come_in_order(clinic: Notified, receiver: Receiver) -> None:
    """Each event has the next number, a notification at most as many as asked for; what fails comes again as it was."""
    subscribe(clinic, receiver, most=2, heartbeat=60)
    clinic.deliver()
    heard(receiver)
    for n in range(3):
        clinic.write(observation(f"o{n}"))
    clinic.events()
    receiver.status = 503
    clinic.deliver()
    receiver.status = 200
    clinic.due_now()
    clinic.deliver()
    clinic.deliver()
    events = [one["events"] for one in heard(receiver)]
    both = [(1, "Observation/o0"), (2, "Observation/o1")]
    assert events == [both, both, [(3, "Observation/o2")]]
    assert clinic.deliver() == 0
    clinic.due_now()
    clinic.deliver()
    (beat,) = heard(receiver)
    assert (beat["type"], beat["total"], beat["events"]) == ("heartbeat", 3, [])
    clinic.write(observation("o3"))
    clinic.events()
    with clinic.pool.connection() as connection:
        connection.execute("DELETE FROM subscription_event")  # as is done after HEALIX_SUBSCRIPTION_HOURS
    clinic.deliver()
    clinic.due_now()
    clinic.deliver()
    assert [(one["type"], one["total"]) for one in heard(receiver)] == [("heartbeat", 4)]


@pytest.mark.spec("hl7.fhir.uv.subscriptions-backport 1.1.0 StructureDefinition-backport-filter-criteria.html")
def test_large_resources_come_in_several_notifications(
    clinic: Notified, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read at once is bounded by its bytes as well, and a resource that is larger comes alone."""
    subscribe(clinic, receiver, content="full-resource")
    clinic.deliver()
    heard(receiver)
    large = {"note": [{"text": "x" * 900}]}
    for n, more in enumerate((large, {}, {}, large)):
        clinic.write(observation(f"o{n}") | more)
    clinic.events()
    monkeypatch.setattr(events, "MOST_BYTES", 800)
    while clinic.deliver():
        pass
    assert [one["resources"] for one in heard(receiver)] == [["o0"], ["o1", "o2"], ["o3"]]


@pytest.mark.spec("hl7.fhir.uv.subscriptions-backport 1.1.0 workflow.html")
def test_a_filter_narrows_a_topic(clinic: Notified, receiver: Receiver) -> None:
    """Only what meets the filter is told; a filter that the topic does not allow is refused by name."""
    subscribe(clinic, receiver, filter="Observation?patient=Patient/p1&status=final")
    clinic.deliver()
    heard(receiver)
    clinic.write(observation("o1", "p2"))
    clinic.write(observation("o2", "p1", "amended"))
    clinic.write(observation("o3", "p1"))
    clinic.events()
    clinic.deliver()
    assert [one["events"] for one in heard(receiver)] == [[(1, "Observation/o3")]]
    subscribe(clinic, receiver, "t", filter="Observation?value-quantity=1")
    assert clinic.state("t")[0] == "error"
    assert "not filtered by Observation.value-quantity" in str(clinic.state("t")[1])


def test_what_is_closed_meanwhile_keeps_its_number(clinic: Notified, receiver: Receiver) -> None:
    """An event whose resource was deleted before it was sent is a number without a focus, whoever may ask why."""
    subscribe(clinic, receiver, content="full-resource")
    clinic.deliver()
    heard(receiver)
    clinic.write(observation("o1"))
    clinic.write(observation("o2"))
    clinic.events()
    clinic.delete("Observation", "o1")
    clinic.deliver()
    assert [(one["events"], one["resources"]) for one in heard(receiver)] == [
        ([(1, None), (2, "Observation/o2")], ["o2"])
    ]


def test_who_sees_nothing_gets_no_numbers(clinic: Notified, receiver: Receiver) -> None:
    """What the writer may not see is not counted, so that no gap tells of it."""
    clinic.write({"resourceType": "Patient", "id": "p1", "generalPractitioner": [{"reference": "Practitioner/d"}]})
    clinic.write({"resourceType": "Patient", "id": "p2"})
    doctor = AccessContext(
        parse("system/Subscription.cruds user/Observation.rs"), Origin("app", "doc"), practitioner="d"
    )
    subscribe(clinic, receiver, access=doctor)
    clinic.deliver()
    heard(receiver)
    for id_, patient in (("o1", "p2"), ("o2", "p1"), ("o3", "p2"), ("o4", "p1")):
        clinic.write(observation(id_, patient))
    clinic.events()
    clinic.deliver()
    (one,) = heard(receiver)
    assert (one["total"], one["events"]) == (2, [(1, "Observation/o2"), (2, "Observation/o4")])


def test_a_topic_of_a_callers_own(clinic: Notified, receiver: Receiver) -> None:
    """A Basic resource defines a topic; one that cannot be used says why in the Subscription."""
    trigger = [
        {"url": "resource", "valueUri": "Observation"},
        {"url": "fhirPathCriteria", "valueString": "%current.status = 'final' and %previous.status = 'preliminary'"},
    ]
    topic: dict[str, Any] = {
        "resourceType": "Basic",
        "id": "mine",
        "code": {"coding": [CODE]},
        "extension": [
            {"url": f"{ROOT}url", "valueUri": "urn:mine"},
            {"url": f"{ROOT}resourceTrigger", "extension": trigger},
        ],
    }
    clinic.write(topic)
    clinic.events()
    subscribe(clinic, receiver, topic="urn:mine")
    clinic.deliver()
    heard(receiver)
    clinic.write(observation("o1", status="preliminary"))
    clinic.write(observation("o1", status="final"))
    clinic.write(observation("o2", status="final"))
    clinic.events()
    clinic.deliver()
    assert [one["events"] for one in heard(receiver)] == [[(1, "Observation/o1")]]
    trigger.append({"url": "supportedInteraction", "valueCode": "delete"})
    clinic.write(topic)
    clinic.events()
    long = f"urn:{Random(1).randbytes(4000).hex()}"
    clinic.write(topic | {"id": "long", "extension": [{"url": f"{ROOT}url", "valueUri": long}, topic["extension"][1]]})
    clinic.events()
    for id_, url, reason in (
        ("t", "urn:mine", "delete is not"),
        ("u", f"{URN}nonsense", "is not known"),
        ("v", long[:500], "at most 500 characters"),
    ):
        subscribe(clinic, receiver, id_, topic=url)
        status, error = clinic.state(id_)
        assert (status, reason in str(error)) == ("error", True), error


def test_nobody_takes_the_url_of_a_topic(clinic: Notified, receiver: Receiver) -> None:
    """Of two topics with one url the first is used, also after it was changed; the second when that is deleted."""

    def topic(id_: str, type_name: str, title: str, url: str = "urn:first") -> dict[str, Any]:
        trigger = {"extension": [{"url": "resource", "valueUri": type_name}], "url": f"{ROOT}resourceTrigger"}
        titled = {"url": f"{ROOT}title", "valueString": title}
        return {"resourceType": "Basic", "id": id_, "code": {"coding": [CODE]},
                "extension": [{"url": f"{ROOT}url", "valueUri": url}, titled, trigger]}  # fmt: skip

    for one in (
        topic("b", "Observation", "Ours"), topic("0", "Patient", "Other", "urn:other"),
        topic("a", "Patient", "Theirs"), topic("0", "Patient", "Theirs"), topic("b", "Observation", "Ours, still"),
    ):  # fmt: skip
        clinic.write(one)
        clinic.events()
    subscribe(clinic, receiver, topic="urn:first")
    clinic.deliver()
    heard(receiver)
    clinic.write(observation("o1"))
    clinic.events()
    clinic.deliver()
    assert [one["events"] for one in heard(receiver)] == [[(1, "Observation/o1")]]
    transaction(clinic.pool, lambda: commit(EVERYONE, [Change(Method.DELETE, "Basic", "b")]))
    clinic.events()
    found = transaction(clinic.pool, lambda: find_topics(["urn:first"]))["urn:first"]
    assert isinstance(found, Topic)
    assert [one.type for one in found.triggers] == ["Patient"]


def test_who_asks_for_something_else_hears_nothing_of_before(clinic: Notified, receiver: Receiver) -> None:
    """With another writer or other criteria the events of before are forgotten, and numbers go on."""
    receiver.status = 500
    subscribe(clinic, receiver)
    receiver.status = 200
    clinic.due_now()
    clinic.deliver()
    clinic.write(observation("o1"))
    clinic.events()
    subscribe(clinic, receiver, access=AccessContext(parse("system/*.cruds"), Origin("other")))
    clinic.deliver()
    heard(receiver)
    clinic.write(observation("o2"))
    clinic.events()
    clinic.deliver()
    assert [one["events"] for one in heard(receiver)] == [[(2, "Observation/o2")]]
