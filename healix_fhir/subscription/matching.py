"""Which changed resources are events of which subscriptions.

A changed resource finds the subscriptions that may want it by keys (subscription/criteria.py), is held against their
triggers in memory, and is looked at with the access of their writers, whose care relationships are those of the moment.
What a writer does not see gets no number: nothing tells that it happened. Deleted resources are no events.

Spec: FHIR R4, hl7.org/fhir/R4/subscription.html
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from urllib.parse import parse_qsl

from healix_fhir.kernel import arrays
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.outbox import Event
from healix_fhir.search.page import Signer
from healix_fhir.search.query import parse
from healix_fhir.search.run import search
from healix_fhir.subscription.criteria import keys_of
from healix_fhir.subscription.firing import fires, may_fire
from healix_fhir.subscription.queue import Happened, number
from healix_fhir.subscription.seen import Asked, accesses, seen
from healix_fhir.subscription.standing import COLUMNS, ENDED, STANDING, Active, active
from healix_fhir.subscription.status import Reasons, stop
from healix_fhir.subscription.version import Version, look_back, versions
from smart_auth.access import AccessContext

GROUP = 400
ACTIVE = f"""SELECT {COLUMNS}, {STANDING} FROM subscription s
             WHERE {{condition}} AND s.state <> 'off' AND (s.ends IS NULL OR s.ends > now()) ORDER BY s.id"""
Candidate = tuple[Active, int, Version]
"""A subscription, which of its triggers, and the version that may fire it."""


def enqueue(events: Sequence[Event], bases: tuple[str, ...]) -> Work[None]:
    """Number the events of each subscription among changes of resources."""
    payloads = [event.payload for event in events if event.payload.get("method") != "DELETE"]
    rows = yield Statement(
        """SELECT type FROM unnest(%s::text[]) AS x (type)
           WHERE EXISTS (SELECT FROM subscription_key k WHERE k.type = x.type)""",
        (sorted({payload["type"] for payload in payloads}),),
    )
    wanted = {type_name for (type_name,) in rows}
    changed = [(one["type"], one["id"], one["version"]) for one in payloads if one["type"] in wanted]
    if not changed:
        return
    found = yield from _candidates((yield from versions(changed, bases)))
    broken: Reasons = {one.id: ("off", ENDED) for one, _, _ in found if not one.stands}
    found = [one for one in found if one[0].stands]
    fired = yield from _fired(found, bases, broken)
    happened = yield from _visible([one for one in fired if one[0].id not in broken], bases, broken)
    if happened:
        yield from number(happened)
    if broken:
        yield from stop(broken, bases)


def _candidates(several: Sequence[Version]) -> Work[list[Candidate]]:
    """What subscriptions may want, in the order of the versions."""
    places: dict[tuple[str, int], list[int]] = defaultdict(list)
    for place, version in enumerate(several):
        for key in set(keys_of(version.type, version.id, version.rows)):
            places[version.type, key].append(place)
    rows = yield Statement(
        """SELECT k.type, k.key, k.subscription, k.trigger FROM subscription_key k
           JOIN unnest(%s::text[], %s::bigint[]) AS x (type, key) ON k.type = x.type AND k.key = x.key""",
        ([type_name for type_name, _ in places], arrays.int8(key for _, key in places)),
        prepare=False,
    )
    ids = sorted({subscription for _, _, subscription, _ in rows})
    known = {one.id: one for one in map(active, (yield Statement(ACTIVE.format(condition="s.id = ANY(%s)"), (ids,))))}
    hit = {
        (place, subscription, trigger)
        for type_name, key, subscription, trigger in rows
        for place in places[type_name, key]
        if subscription in known
    }
    return [(known[subscription], trigger, several[place]) for place, subscription, trigger in sorted(hit)]


def _fired(found: Sequence[Candidate], bases: tuple[str, ...], broken: Reasons) -> Work[list[Candidate]]:
    """Those candidates whose triggers fire; what cannot be evaluated ends its subscription."""
    may = []
    for one, n, version in found:
        try:
            if may_fire(one.triggers[n], version, bases[0]):
                may.append((one, n, version))
        except HealixError as error:  # a search parameter of a caller's that is no more
            broken[one.id] = "error", error.message
    yield from look_back([version for one, n, version in may if one.triggers[n].looks_back], bases)
    fired = []
    for one, n, version in may:
        try:
            if fires(one.triggers[n], version, bases[0]):
                fired.append((one, n, version))
        except HealixError as error:
            broken[one.id] = "error", error.message
    return fired


def _visible(fired: Sequence[Candidate], bases: tuple[str, ...], broken: Reasons) -> Work[list[Happened]]:
    """What of it the subscribers see."""
    owners = yield from accesses([one.owner for one, _, _ in fired], bases)
    asked = [
        Asked(access, version.type, version.id, one.content.shows)
        for (one, _, version), access in zip(fired, owners, strict=True)
    ]
    shown = yield from seen(asked, bodies=False)
    left = [(*fired[place], owners[place]) for place in sorted(shown)]
    met = yield from _looked_up([one for one in left if one[0].triggers[one[1]].looked_up], bases[0], broken)
    return [
        Happened(one.id, version.type, version.id, version.number, version.created)
        for one, n, version, _ in left
        if not one.triggers[n].looked_up or (one.id, n, version.id) in met
    ]


def _looked_up(
    asked: Sequence[tuple[Active, int, Version, AccessContext]], base: str, broken: Reasons
) -> Work[set[tuple[str, int, str]]]:
    """Which resources meet criteria that must be searched for, by subscription and trigger."""
    ids: dict[tuple[str, int], dict[str, None]] = defaultdict(dict)
    by = {(one.id, n): (one, access) for one, n, _, access in asked}
    for one, n, version, _ in asked:
        ids[one.id, n][version.id] = None
    met = set()
    for (subscription, n), wanted in ids.items():
        one, access = by[subscription, n]
        try:
            hits = yield from matches(access, one.triggers[n].type, one.triggers[n].current, list(wanted), base)
        except HealixError as error:
            broken[subscription] = "error", error.message
        else:
            met |= {(subscription, n, id_) for id_ in hits}
    return met


def matches(access: AccessContext, type_name: str, criteria: str, ids: Sequence[str], base: str) -> Work[set[str]]:
    """Those of the resources `ids` that meet the criteria now and that `access` sees."""
    found = set()
    for begin in range(0, len(ids), GROUP):
        group = ids[begin : begin + GROUP]
        params = [*parse_qsl(criteria, keep_blank_values=True), ("_id", ",".join(group)), ("_count", str(GROUP))]
        query = parse(type_name, params, strict=True, base=base)
        result = yield from search(access, query, signer=_signer(), base=base)
        found |= {hit.id for hit in result.entries if hit.mode == "match"}
    return found


@cache
def _signer() -> Signer:
    """Searches here have one page; links to a next one are never used."""
    return Signer(secrets.token_bytes(32))
