"""Topics: what a subscriber may be told of, as the triggers that tell when.

R4 has no SubscriptionTopic. A topic is served, and defined by callers, as a Basic resource whose extensions are the
elements that R5's resource has. What of them this server does not do is refused by name.

Spec: hl7.fhir.uv.subscriptions-backport 1.1.0, components.html#subscription-topics-in-r4;
FHIR R5, hl7.org/fhir/R5/subscriptiontopic.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.kernel.errors import invalid, unsupported
from healix_fhir.model.fhirpath.engine import expression
from healix_fhir.subscription.criteria import check_known, nodes

Json = dict[str, Any]
CODE = {"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}
ROOT = "http://hl7.org/fhir/5.0/StructureDefinition/extension-SubscriptionTopic."
INTERACTIONS = ("create", "update")
PASSES, FAILS = "test-passes", "test-fails"
LONGEST = 2000
"""Characters of an expression."""
LONGEST_URL = 500
"""Characters of a topic's url: what an index can hold."""
MOST = 20
"""Triggers, and filters, of a topic."""


class Trigger(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a resource of a type is an event.

    `current` and `previous` are search criteria on the version that an interaction makes and on the one before, of
    which `both` or either must hold; without a version before, `previous` holds where `without_previous` says so.
    `fhirpath` is an expression on the new version with %previous and %current. `filter` are a subscriber's own
    criteria, which always must hold. With `looked_up` the criteria are a search's, over what is stored by now.
    """

    type: str
    on: tuple[str, ...] = INTERACTIONS
    current: str = ""
    previous: str = ""
    without_previous: bool = True
    both: bool = False
    fhirpath: str = ""
    filter: str = ""
    looked_up: bool = False

    @property
    def looks_back(self) -> bool:
        """Whether it depends on the version before."""
        return bool(self.previous or self.fhirpath) or self.on != INTERACTIONS


class Topic(msgspec.Struct, frozen=True):
    """A topic; `filters` has the search parameters by which subscribers may narrow it, for each type."""

    url: str
    title: str
    triggers: tuple[Trigger, ...]
    filters: Mapping[str, tuple[str, ...]] = {}


def is_topic(resource: Mapping[str, Any]) -> bool:
    """Whether a Basic resource defines a topic."""
    return any(CODE.items() <= coding.items() for coding in resource.get("code", {}).get("coding", ()))


def read_topic(resource: Mapping[str, Any], base: str) -> Topic:
    """The topic that a Basic resource defines. Raises Invalid or Unsupported by name."""
    given = [(one["url"].removeprefix(ROOT), one) for one in resource.get("extension", ()) if _is_ours(one)]
    for name in ("eventTrigger", "derivedFrom"):
        if any(found == name for found, _ in given):
            raise unsupported(f"SubscriptionTopic.{name} is not supported")
    url = _value(given, "url", "valueUri")
    if not url or ":" not in url:
        raise invalid("a topic needs the extension SubscriptionTopic.url with its canonical url", code="required")
    if len(url) > LONGEST_URL:
        raise invalid(f"the url of a topic has at most {LONGEST_URL} characters")
    if (_value(given, "status", "valueCode") or "active") != "active":
        raise invalid("the topic is not active")
    for shape in _parts(given, "notificationShape"):
        if any(name != "resource" for name, _ in shape):
            raise unsupported("of SubscriptionTopic.notificationShape only resource is supported")
    triggers = tuple(_trigger(parts, base) for parts in _parts(given, "resourceTrigger"))
    if not 0 < len(triggers) <= MOST:
        raise invalid(f"a topic has 1 to {MOST} triggers in the extension SubscriptionTopic.resourceTrigger")
    filters: dict[str, tuple[str, ...]] = {}
    for parts in _parts(given, "canFilterBy")[: MOST * MOST]:
        name = _value(parts, "filterParameter", "valueString") or ""
        type_name = _type(_value(parts, "resource", "valueUri") or triggers[0].type)
        filters[type_name] = (*filters.get(type_name, ()), name)
    return Topic(url, _value(given, "title", "valueString") or url, triggers, filters)


def _trigger(parts: Sequence[tuple[str, Json]], base: str) -> Trigger:
    type_name = _type(_value(parts, "resource", "valueUri") or "")
    on = tuple(one.get("valueCode") for name, one in parts if name == "supportedInteraction") or INTERACTIONS
    if any(one not in INTERACTIONS for one in on):
        raise unsupported("of a trigger's supportedInteraction create and update are supported; delete is not")
    query = next(iter(_parts(parts, "queryCriteria")), [])
    if any(name == "resultForDelete" for name, _ in query):
        raise unsupported("queryCriteria.resultForDelete is not supported")
    path = _value(parts, "fhirPathCriteria", "valueString") or ""
    if len(path) > LONGEST:
        raise invalid(f"fhirPathCriteria has at most {LONGEST} characters")
    if path:
        expression(path)
    result = Trigger(
        type_name,
        tuple(one for one in INTERACTIONS if one in on),
        _criteria(_value(query, "current", "valueString"), type_name, base),
        _criteria(_value(query, "previous", "valueString"), type_name, base),
        (_value(query, "resultForCreate", "valueCode") or PASSES) == PASSES,
        any(name == "requireBoth" and one.get("valueBoolean") for name, one in query),
        path,
    )
    nodes(type_name, "", base)
    return result


def _criteria(text: str | None, type_name: str, base: str) -> str:
    """Criteria that can be told of a version by itself, without their type."""
    query = (text or "").removeprefix(f"{type_name}?")
    check_known(type_name, query, base, "queryCriteria")
    return query


def resource_of(topic: Topic, id_: str, description: str) -> Json:
    """The Basic resource that serves a topic."""
    extensions = [
        _simple("url", "valueUri", topic.url),
        _simple("title", "valueString", topic.title),
        _simple("status", "valueCode", "active"),
        _simple("description", "valueMarkdown", description),
        *(_nested("resourceTrigger", _of_trigger(one, description)) for one in topic.triggers),
        *(
            _nested("canFilterBy", [_part("resource", "valueUri", name), _part("filterParameter", "valueString", code)])
            for name, codes in topic.filters.items()
            for code in codes
        ),
        *(
            _nested("notificationShape", [_part("resource", "valueUri", name)])
            for name in dict.fromkeys(one.type for one in topic.triggers)
        ),
    ]
    return {
        "resourceType": "Basic",
        "id": id_,
        "extension": extensions,
        "code": {"coding": [CODE], "text": topic.title},
    }


def _of_trigger(trigger: Trigger, description: str) -> list[Json]:
    parts = [_part("description", "valueMarkdown", description), _part("resource", "valueUri", trigger.type)]
    parts += [_part("supportedInteraction", "valueCode", one) for one in trigger.on]
    if trigger.fhirpath:
        parts.append(_part("fhirPathCriteria", "valueString", trigger.fhirpath))
    return parts


def _is_ours(extension: Json) -> bool:
    return str(extension.get("url", "")).startswith(ROOT)


def _value(given: Sequence[tuple[str, Json]], name: str, value: str) -> str | None:
    return next((one[value] for found, one in given if found == name and value in one), None)


def _parts(given: Sequence[tuple[str, Json]], name: str) -> list[list[tuple[str, Json]]]:
    """The parts of each complex extension `name`, by their own names."""
    return [list(_inner(one)) for found, one in given if found == name]


def _inner(extension: Json) -> Iterator[tuple[str, Json]]:
    for part in extension.get("extension", ()):
        yield part["url"], part


def _type(text: str) -> str:
    return text.removeprefix("http://hl7.org/fhir/StructureDefinition/")


def _simple(name: str, value: str, content: str) -> Json:
    return _part(f"{ROOT}{name}", value, content)


def _nested(name: str, parts: list[Json]) -> Json:
    return {"url": f"{ROOT}{name}", "extension": parts}


def _part(name: str, value: str, content: str) -> Json:
    return {"url": name, value: content}
