"""What a Subscription asks for, read from the resource; what this server does not do is refused by name.

Criteria are a search, as R4 has it, or the canonical of a topic with the extensions of the backport guide.

Spec: FHIR R4, hl7.org/fhir/R4/subscription.html; hl7.fhir.uv.subscriptions-backport 1.1.0
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from healix_fhir.kernel.endpoint import check_endpoint
from healix_fhir.kernel.errors import forbidden, invalid, unsupported
from healix_fhir.kernel.mail.message import mail_address
from healix_fhir.search.dates import interval
from healix_fhir.subscription import guide
from healix_fhir.subscription.criteria import check_known, is_told, names, nodes
from healix_fhir.subscription.guide import Content
from healix_fhir.subscription.topic import Topic, Trigger
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

JSON_PAYLOADS = ("application/fhir+json", "application/json")
PLAIN = "text/plain"

HEADER = re.compile(r"(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}):[ \t]*(?P<value>[\x20-\x7e]{0,4000})")
OWN_HEADERS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade"})
HEADERS = 20
CANONICAL = re.compile(r"[a-z][a-z0-9+.-]*:[^\s?#]+", re.IGNORECASE)
TIMEOUT = range(1, 31)
"""Seconds that a receiver may ask to be given; DEFAULT_TIMEOUT unless it does."""
DEFAULT_TIMEOUT = 15
HEARTBEAT = range(10, 86_401)
"""Seconds between heartbeats that may be asked for."""
MOST = range(1, 101)
"""Events in one notification that may be asked for; DEFAULT_MOST unless something is."""
DEFAULT_MOST = 50


class Kind(StrEnum):
    """How notifications get to the subscriber."""

    REST_HOOK = "rest-hook"
    WEBSOCKET = "websocket"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Channel:
    """A subscription that this server can serve. `endpoint` is empty for web sockets, a mail address for e-mail."""

    kind: Kind
    content: Content
    topic: str | None
    triggers: tuple[Trigger, ...]
    endpoint: str
    headers: tuple[tuple[str, str], ...] = ()
    timeout: int = DEFAULT_TIMEOUT
    heartbeat: int = 0
    most: int = DEFAULT_MOST
    ends: datetime | None = None

    @property
    def shakes_hands(self) -> bool:
        """Whether the receiver must answer before it is told anything."""
        return self.kind is Kind.REST_HOOK and self.content.is_bundled


def topic_of(resource: Mapping[str, Any]) -> str | None:
    """The canonical of the topic that a Subscription is to; None where it has criteria as R4 has them."""
    named = [value for url, value in _extensions(resource) if url == guide.TOPIC]
    criteria = str(resource["criteria"])
    return str(named[0]) if named else criteria if CANONICAL.fullmatch(criteria) else None


def read_channel(
    resource: dict[str, Any], access: AccessContext, base: str, topic: Topic | None = None, *, allow_private: bool
) -> Channel:
    """What `resource`, to `topic` if to any, asks for, for a writer with `access`. Raises what is wrong with it."""
    channel = resource["channel"]
    if resource.get("modifierExtension") or channel.get("modifierExtension"):
        raise unsupported("modifier extensions of a Subscription are not supported")
    if channel["type"] not in list(Kind):
        raise unsupported(f"the channel type {channel['type']} is not supported; {', '.join(Kind)} are")
    kind = Kind(channel["type"])
    asked = _asked(resource)
    triggers: tuple[Trigger, ...]
    if topic is None:
        content, triggers = _plain_content(kind, channel), (_plain_trigger(resource["criteria"], base),)
        if asked:
            raise unsupported("the extensions of the backport guide need the canonical of a topic as criteria")
    else:
        content, triggers = _content(channel, asked), _narrowed(topic, asked.get(guide.FILTER, []), base)
    for type_name in dict.fromkeys(trigger.type for trigger in triggers):
        _check_access(type_name, access, full=content.shows)
    heartbeat = _number(asked, guide.HEARTBEAT, HEARTBEAT, 0)
    if heartbeat and kind is Kind.EMAIL:
        raise unsupported("heartbeats by e-mail are not supported")
    ends = interval(resource["end"]) if "end" in resource else None
    return Channel(
        kind,
        content,
        topic.url if topic else None,
        triggers,
        _endpoint(kind, channel, allow_private=allow_private),
        _headers(channel.get("header", ())),
        _number(asked, guide.TIMEOUT, TIMEOUT, DEFAULT_TIMEOUT),
        heartbeat,
        _number(asked, guide.MOST, MOST, DEFAULT_MOST),
        ends[0] if ends else None,
    )


def _asked(resource: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of the guide's extensions by url. Raises Unsupported for one that is not known here."""
    known = {guide.FILTER, guide.CONTENT, guide.HEARTBEAT, guide.TIMEOUT, guide.MOST, guide.TOPIC}
    found: dict[str, list[Any]] = {}
    for url, value in _extensions(resource):
        if url in known:
            found.setdefault(url, []).append(value)
        elif url.startswith(guide.GUIDE):
            raise unsupported(f"the extension {url[:200]} is not supported")
    return found


def _extensions(resource: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The simple extensions of a Subscription, its criteria and its channel."""
    channel = resource["channel"]
    places = [resource, channel, *(channel.get(f"_{name}") for name in ("payload", "type", "endpoint"))]
    for place in [*places, resource.get("_criteria")]:
        for extension in (place or {}).get("extension", ()):
            values = [value for name, value in extension.items() if name.startswith("value")]
            yield str(extension["url"]), values[0] if values else None


def _plain_trigger(criteria: str, base: str) -> Trigger:
    type_name, _, query = criteria.removeprefix("/").partition("?")
    nodes(type_name, query, base)
    return Trigger(type_name, current=query, looked_up=not is_told(type_name, query, base))


def _plain_content(kind: Kind, channel: Mapping[str, Any]) -> Content:
    payload = channel.get("payload")
    if payload is None or (kind is Kind.EMAIL and payload == PLAIN):
        return Content.NOTICE
    if payload.partition(";")[0].strip() not in JSON_PAYLOADS:
        raise unsupported(f"the payload {payload[:100]} is not supported; application/fhir+json and none are")
    if kind is Kind.WEBSOCKET:
        raise unsupported("a payload over a web socket is for subscriptions to topics; without one it is pinged")
    return Content.RESOURCE


def _content(channel: Mapping[str, Any], asked: Mapping[str, list[Any]]) -> Content:
    """What the notifications of a topic hold; nothing of the resource unless that is asked for."""
    payload = channel.get("payload")
    if payload is not None and payload.partition(";")[0].strip() not in JSON_PAYLOADS:
        raise unsupported(f"the payload {payload[:100]} is not supported; application/fhir+json is")
    wanted = asked.get(guide.CONTENT, [Content.EMPTY])[0]
    if wanted not in (Content.EMPTY, Content.ID_ONLY, Content.FULL):
        raise invalid("backport-payload-content is empty, id-only or full-resource", code="value")
    return Content(wanted)


def _narrowed(topic: Topic, filters: list[Any], base: str) -> tuple[Trigger, ...]:
    """The triggers of a topic with the subscriber's filters: one `Type?criteria` for each type at most."""
    chosen: dict[str, str] = {}
    for text in filters:
        type_name, _, query = str(text).removeprefix("/").partition("?")
        allowed = topic.filters.get(type_name, ())
        for name in names(query):
            if name not in allowed:
                raise unsupported(
                    f"backport-filter-criteria: the topic is not filtered by {type_name[:64]}.{name[:64]};"
                    f" {', '.join(sorted(allowed)) or 'nothing'} is allowed"
                )
        check_known(type_name, query, base, "backport-filter-criteria")
        chosen[type_name] = f"{chosen[type_name]}&{query}" if type_name in chosen else query
    return tuple(replace(one, filter=chosen.get(one.type, "")) for one in topic.triggers)


def _number(asked: Mapping[str, list[Any]], url: str, allowed: range, default: int) -> int:
    value = asked.get(url, [default])[0]
    if value != default and value not in allowed:
        raise invalid(f"{url.rpartition('/')[2]} is {allowed[0]} to {allowed[-1]}", code="value")
    return int(value)


def _check_access(type_name: str, access: AccessContext, *, full: bool) -> None:
    needed = (Permission.SEARCH, Permission.READ) if full else (Permission.SEARCH,)
    if not all(access.allows(type_name, permission) for permission in needed):
        raise forbidden(f"the scopes of the Subscription's writer do not open {type_name}")


def _endpoint(kind: Kind, channel: Mapping[str, Any], *, allow_private: bool) -> str:
    endpoint = channel.get("endpoint")
    if kind is Kind.WEBSOCKET:
        return ""
    if endpoint is None:
        raise invalid(f"a channel of the type {kind} needs an endpoint", code="required")
    if kind is Kind.EMAIL:
        return mail_address(str(endpoint).removeprefix("mailto:"))
    check_endpoint(endpoint, allow_private=allow_private)
    return str(endpoint)


def _headers(lines: list[str] | tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    if len(lines) > HEADERS:
        raise invalid(f"a channel has at most {HEADERS} headers")
    pairs = []
    for line in lines:
        match = HEADER.fullmatch(line)
        if match is None:
            raise invalid("a channel header has the form 'Name: value'")
        if match["name"].lower() in OWN_HEADERS:
            raise invalid(f"the header {match['name']} is the server's own")
        pairs.append((match["name"], match["value"]))
    return tuple(pairs)
