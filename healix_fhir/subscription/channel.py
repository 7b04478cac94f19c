"""What a Subscription asks for, read from the resource; what this server does not do is refused by name.

Supported: the channel `rest-hook` with no payload or `application/fhir+json`, and criteria of plain search filters.

Spec: FHIR R4, hl7.org/fhir/R4/subscription.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from healix_fhir.kernel.endpoint import check_endpoint
from healix_fhir.kernel.errors import HealixError, forbidden, invalid, unsupported
from healix_fhir.search.dates import interval
from healix_fhir.search.query import parse
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

PAYLOADS = ("application/fhir+json", "application/json")
FILTERS = frozenset({"_id", "_lastUpdated", "_tag", "_profile", "_security", "_source"})
"""Parameters with an underscore that say which resources match; the others say how a page looks."""

HEADER = re.compile(r"(?P<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}):[ \t]*(?P<value>[\x20-\x7e]{0,4000})")
OWN_HEADERS = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection", "te", "upgrade"})
HEADERS = 20


@dataclass(frozen=True, slots=True)
class Channel:
    """A subscription that this server can serve. `full`: the resource is sent with each notification."""

    type: str
    query: str
    endpoint: str
    headers: tuple[tuple[str, str], ...]
    full: bool
    ends: datetime | None


def read_channel(resource: dict[str, Any], access: AccessContext, base: str, *, allow_private: bool) -> Channel:
    """What `resource` asks for, for a writer with `access`. Raises what is wrong with it."""
    channel = resource["channel"]
    if channel["type"] != "rest-hook":
        raise unsupported(f"the channel type {channel['type']} is not supported; rest-hook is")
    if resource.get("modifierExtension") or channel.get("modifierExtension"):
        raise unsupported("modifier extensions of a Subscription are not supported")
    payload = channel.get("payload")
    if payload is not None and payload.partition(";")[0].strip() not in PAYLOADS:
        raise unsupported(f"the payload {payload[:100]} is not supported; application/fhir+json and none are")
    type_name, query = read_criteria(resource["criteria"], base)
    _check_access(type_name, access, full=payload is not None)
    endpoint = channel.get("endpoint")
    if endpoint is None:
        raise invalid("a rest-hook needs an endpoint", code="required")
    check_endpoint(endpoint, allow_private=allow_private)
    ends = interval(resource["end"]) if "end" in resource else None
    return Channel(
        type_name, query, endpoint, _headers(channel.get("header", ())), payload is not None, ends[0] if ends else None
    )


def read_criteria(criteria: str, base: str) -> tuple[str, str]:
    """The type and the search parameters of `criteria`. Raises Invalid or Unsupported, never ignores a part of it."""
    type_name, _, query = criteria.removeprefix("/").partition("?")
    params = parse_qsl(query, keep_blank_values=True, separator="&")
    for name, _ in params:
        if name.startswith("_") and name.partition(":")[0] not in FILTERS:
            raise unsupported(f"{name[:100]} is not supported in criteria")
    try:
        parse(type_name, params, strict=True, base=base)
    except HealixError as error:
        raise invalid(f"the criteria cannot be used: {error.message}") from error
    return type_name, query


def _check_access(type_name: str, access: AccessContext, *, full: bool) -> None:
    needed = (Permission.SEARCH, Permission.READ) if full else (Permission.SEARCH,)
    if not all(access.allows(type_name, permission) for permission in needed):
        raise forbidden(f"the scopes of the Subscription's writer do not open {type_name}")


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
