"""The server's own changes of a Subscription's status.

Spec: FHIR R4, hl7.org/fhir/R4/subscription-definitions.html#Subscription.status
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.search.extract import extract
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal

NAME = "healix-subscription"
"""Under this name the server changes them; such a change is never taken for a request."""

Present = dict[str, tuple[int, dict[str, Any]]]
Reasons = dict[str, tuple[str, str | None]]
"""By id, a status and an error text."""


def present(ids: Sequence[str]) -> Work[Present]:
    """The version and content of Subscriptions that are not deleted, locked against change."""
    rows = yield Statement(
        """SELECT id, version, body FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted
           ORDER BY id FOR NO KEY UPDATE""",
        (TYPE_ID["Subscription"], sorted(ids)),
    )
    return {id_: (version, decode(bytes(body))) for id_, version, body in rows}


def set_status(
    current: Present, wanted: Mapping[str, tuple[str, str | None]], bases: tuple[str, ...]
) -> Work[dict[str, int]]:
    """Give each Subscription in `wanted` its status and error text; returns the versions that this made."""
    changes = []
    for id_, (status, error) in sorted(wanted.items()):
        version, resource = current[id_]
        changed = {key: value for key, value in resource.items() if key != "error"} | {"status": status}
        if error is not None:
            changed["error"] = error
        rows = extract(changed, "Subscription", bases)
        changes.append(Change(Method.PUT, "Subscription", id_, changed, rows, version, operation="status"))
    if not changes:
        return {}
    done = yield from commit(internal(NAME), changes)
    return {one.stored.id: one.stored.version for one in done if one.stored is not None}


def forget(ids: Sequence[str]) -> Statement:
    """Subscriptions that are no more, with what was kept of them."""
    return Statement(
        """WITH gone AS (DELETE FROM subscription WHERE id = ANY(%(ids)s)),
                keys AS (DELETE FROM subscription_key WHERE subscription = ANY(%(ids)s))
           DELETE FROM subscription_event WHERE subscription = ANY(%(ids)s)""",
        {"ids": list(ids)},
    )


def stop(reasons: Mapping[str, tuple[str, str | None]], bases: tuple[str, ...]) -> Work[None]:
    """Turn subscriptions off with a status and an error text, unless somebody has changed them meanwhile.

    Their events stay for a time, so that who turns them on again goes on where they were.
    """
    changed = yield from tell(reasons, bases)
    off = sorted(reasons.keys() & changed)
    yield Statement(
        """WITH keys AS (DELETE FROM subscription_key WHERE subscription = ANY(%(ids)s))
           UPDATE subscription SET state = 'off', due = NULL, leased = NULL WHERE id = ANY(%(ids)s)""",
        {"ids": off},
    )


def tell(reasons: Mapping[str, tuple[str, str | None]], bases: tuple[str, ...]) -> Work[set[str]]:
    """Write a status and an error text into Subscriptions that nobody has changed meanwhile; which these are."""
    current = yield from present(list(reasons))
    rows = yield Statement(
        "SELECT id, version FROM subscription WHERE id = ANY(%s) AND state <> 'off' ORDER BY id FOR NO KEY UPDATE",
        (list(reasons),),
    )
    known: dict[str, int] = dict(rows)
    ours = {id_: reasons[id_] for id_, (version, _) in current.items() if known.get(id_) == version}
    made = yield from set_status(current, ours, bases)
    yield versioned(made)
    return set(ours)


def versioned(made: Mapping[str, int]) -> Statement:
    """Remember the versions that the server made."""
    return Statement(
        """UPDATE subscription s SET version = x.version FROM unnest(%s::text[], %s::int[]) AS x (id, version)
           WHERE s.id = x.id""",
        (list(made), list(made.values())),
    )
