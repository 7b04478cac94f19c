"""Which changed resources which Subscriptions ask for: the criteria are the server's own search, over what has changed.

The search runs with the access of the Subscription's writer, whose care relationships are those of the moment.
Deleted resources match nothing. Spec: FHIR R4, hl7.org/fhir/R4/subscription.html
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl

import msgspec

from healix_fhir.kernel.database import Row, Statement, Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.outbox import NOTIFY, Event
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.search.page import Signer
from healix_fhir.search.query import parse
from healix_fhir.search.result import Hit
from healix_fhir.search.run import search
from healix_fhir.subscription.status import stop
from smart_auth.access import restored

GROUP = 400

ACTIVE = """SELECT s.id, s.type, s.query, s.endpoint, s.headers, s."full", s.owner FROM subscription_active s
            WHERE {condition} AND (s.ends IS NULL OR s.ends > now())
              AND NOT EXISTS (SELECT FROM account a WHERE a.username = s.account AND a.disabled)
            ORDER BY s.id"""


@dataclass(frozen=True, slots=True)
class Active:
    """An active Subscription."""

    id: str
    type: str
    query: str
    endpoint: str
    headers: tuple[tuple[str, str], ...]
    full: bool
    owner: dict[str, str | None]


def active(row: Row) -> Active:
    """A row of `ACTIVE`."""
    id_, type_name, query, endpoint, headers, full, owner = row
    pairs = tuple((name, value) for name, value in msgspec.json.decode(headers))
    return Active(id_, type_name, query, endpoint, pairs, bool(full), msgspec.json.decode(owner))


def matches(one: Active, ids: Sequence[str], base: str) -> Work[list[Hit]]:
    """Those of the resources `ids` that meet the criteria now and that the Subscription's writer may see."""
    access = yield from restored(one.owner, ScopeQueries((base,)))
    found = []
    for begin in range(0, len(ids), GROUP):
        group = ids[begin : begin + GROUP]
        params = [*parse_qsl(one.query, keep_blank_values=True), ("_id", ",".join(group)), ("_count", str(GROUP))]
        query = parse(one.type, params, strict=True, base=base)
        result = yield from search(access, query, signer=_signer(), base=base)
        found += [hit for hit in result.entries if hit.mode == "match"]
    return found


def enqueue(events: Sequence[Event], bases: tuple[str, ...]) -> Work[None]:
    """Put a delivery in line for each Subscription and each changed resource that it asks for."""
    changed: dict[str, list[str]] = defaultdict(list)
    for event in events:
        changed[event.payload["type"]].append(event.payload["id"])
    rows = yield Statement(ACTIVE.format(condition="s.type = ANY(%s)"), (list(changed),))
    due: list[tuple[str, Hit]] = []
    broken: dict[str, tuple[str, str | None]] = {}
    for one in map(active, rows):
        try:
            hits = yield from matches(one, sorted(set(changed[one.type])), bases[0])
        except HealixError as error:
            broken[one.id] = "error", error.message
        else:
            due += [(one.id, hit) for hit in hits]
    if due:
        yield _queue(due)
    if broken:
        yield from stop(broken, bases)


def _queue(due: Sequence[tuple[str, Hit]]) -> Statement:
    return Statement(
        f"""WITH queued AS (
              INSERT INTO delivery (subscription, type, id, version)
              SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[])
              ON CONFLICT (subscription, type, id, version) DO NOTHING)
            {NOTIFY}""",
        (
            [subscription for subscription, _ in due],
            [hit.type for _, hit in due],
            [hit.id for _, hit in due],
            [hit.version for _, hit in due],
        ),
    )


@cache
def _signer() -> Signer:
    """Searches here have one page; links to a next one are never used."""
    return Signer(secrets.token_bytes(32))
