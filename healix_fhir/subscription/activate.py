"""Takes Subscriptions that callers write into service, or says in the resource why not.

Whatever status a caller writes but `off` is a request: the criteria are checked anew and from then on served with the
access of the writer of that very version. So nobody can turn what another's access serves to a place of his own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.kernel.outbox import Event
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.subscription.channel import Channel, read_channel
from healix_fhir.subscription.status import NAME, forget, present, set_status
from smart_auth.access import restored

ASKING = ("requested", "active")
Captured = dict[str, str | None]


def activate(events: Sequence[Event], bases: tuple[str, ...], *, allow_private: bool) -> Work[None]:
    """Handle changes of Subscriptions. Each event counts only while the version that it tells of is the present one."""
    ids = sorted({event.payload["id"] for event in events})
    current = yield from present(ids)
    writers = _writers(events, {id_: version for id_, (version, _) in current.items()})
    wanted: dict[str, tuple[str, str | None]] = {}
    channels: dict[str, Channel] = {}
    for id_, by in writers.items():
        resource = current[id_][1]
        if resource["status"] not in ASKING:
            continue
        try:
            access = yield from restored(by, ScopeQueries(bases))
            channels[id_] = read_channel(resource, access, bases[0], allow_private=allow_private)
            wanted[id_] = "active", None
        except HealixError as error:
            wanted[id_] = "error", error.message
    dropped = [id_ for id_ in ids if id_ not in current or id_ in writers]
    if dropped:
        yield forget(dropped)
    versions = yield from set_status(current, wanted, bases)
    if channels:
        yield _keep([(id_, versions[id_], channel, writers[id_]) for id_, channel in channels.items()])


def _writers(events: Sequence[Event], versions: dict[str, int]) -> dict[str, Captured]:
    """Who wrote the present version of each Subscription, where it was a caller and not the server itself."""
    return {
        event.payload["id"]: event.payload["by"]
        for event in events
        if versions.get(event.payload["id"]) == event.payload["version"] and event.payload["by"]["client"] != NAME
    }


def _keep(active: Sequence[tuple[str, int, Channel, Captured]]) -> Statement:
    columns: list[list[Any]] = [
        [id_ for id_, *_ in active],
        [version for _, version, _, _ in active],
        [channel.type for *_, channel, _ in active],
        [channel.query for *_, channel, _ in active],
        [channel.endpoint for *_, channel, _ in active],
        [msgspec.json.encode(channel.headers) for *_, channel, _ in active],
        [int(channel.full) for *_, channel, _ in active],
        [channel.ends for *_, channel, _ in active],
        [msgspec.json.encode(by) for *_, by in active],
        [by["account"] for *_, by in active],
    ]
    return Statement(
        """INSERT INTO subscription_active
             (id, version, type, query, endpoint, headers, "full", ends, owner, account)
           SELECT * FROM unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::smallint[],
                                %s::timestamptz[], %s::bytea[], %s::text[])""",
        columns,
    )
