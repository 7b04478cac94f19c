"""Takes Subscriptions that callers write into service, or says in the resource why not.

Whatever status a caller writes but `off` is a request: what it asks for is checked anew and from then on served with
the access of the writer of that very version. So nobody can turn what another's access serves to a place of his own.
Who only asks again for what was served before goes on where it was; otherwise the events of before are forgotten, and
numbers go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError, invalid, unsupported
from healix_fhir.kernel.outbox import Event
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.subscription.channel import Channel, Kind, read_channel, topic_of
from healix_fhir.subscription.criteria import is_narrow, keys
from healix_fhir.subscription.queue import wake
from healix_fhir.subscription.standing import Owner, is_own
from healix_fhir.subscription.status import NAME, Reasons, forget, present, set_status
from healix_fhir.subscription.topic import Topic, Trigger
from healix_fhir.subscription.topics import find_topics
from smart_auth.access import restored

ASKING = ("requested", "active")


def activate(events: Sequence[Event], bases: tuple[str, ...], *, allow_private: bool) -> Work[None]:
    """Handle changes of Subscriptions. Each event counts only while the version that it tells of is the present one."""
    ids = sorted({event.payload["id"] for event in events})
    current = yield from present(ids)
    writers = _writers(events, {id_: version for id_, (version, _) in current.items()})
    asking = {id_: by for id_, by in writers.items() if current[id_][1]["status"] in ASKING}
    topics = yield from _topics([current[id_][1] for id_ in asking])
    wanted: Reasons = {}
    channels: dict[str, Channel] = {}
    for id_, by in asking.items():
        resource = current[id_][1]
        try:
            access = yield from restored(by, ScopeQueries(bases))
            within = allow_private and not is_own(by)
            channel = read_channel(resource, access, bases[0], _topic(topics, resource), allow_private=within)
            if is_own(by) and access.practitioner is None:
                _check_narrow(channel.triggers, bases[0])
            if channel.kind is Kind.EMAIL:
                yield from _check_mail(channel.endpoint, by["account"])
            channels[id_] = channel
            wanted[id_] = "requested" if channel.shakes_hands else "active", None
        except HealixError as error:
            wanted[id_] = "error", error.message
    gone = [id_ for id_ in ids if id_ not in current]
    if gone:
        yield forget(gone)
    ended = [id_ for id_ in writers if id_ not in channels]
    if ended:
        yield _ended(ended)
    versions = yield from set_status(current, wanted, bases)
    if channels:
        yield from _keep([(id_, versions[id_], channel, writers[id_]) for id_, channel in channels.items()], bases[0])


def _writers(events: Sequence[Event], versions: dict[str, int]) -> dict[str, Owner]:
    """Who wrote the present version of each Subscription, where it was a caller and not the server itself."""
    return {
        event.payload["id"]: event.payload["by"]
        for event in events
        if versions.get(event.payload["id"]) == event.payload["version"] and event.payload["by"]["client"] != NAME
    }


def _topics(resources: Sequence[dict[str, Any]]) -> Work[Mapping[str, Topic | HealixError]]:
    urls = [url for url in map(topic_of, resources) if url is not None]
    return (yield from find_topics(urls)) if urls else {}


def _topic(topics: Mapping[str, Topic | HealixError], resource: Mapping[str, Any]) -> Topic | None:
    url = topic_of(resource)
    found = topics[url] if url is not None else None
    if isinstance(found, HealixError):
        raise found
    return found


def _check_narrow(triggers: Sequence[Trigger], base: str) -> None:
    """Refuse (Unsupported) what a patient's app asks of all patients: each change would be held against each of these.

    Raises for criteria that name no resource, nor anything that a reference names.
    """
    for trigger in triggers:
        if not is_narrow(trigger.type, asked_of(trigger), base):
            raise unsupported(
                f"the criteria of a patient's Subscription name the patient, as {trigger.type}?patient=Patient/[id]"
            )


def _check_mail(address: str, account: str | None) -> Work[None]:
    """Mails go to the confirmed address of the subscriber's own account, and to nobody else."""
    rows = yield Statement("SELECT mail FROM account WHERE username = %s AND NOT disabled", (account,))
    if not rows or rows[0][0] != address:
        raise invalid("notifications by e-mail go to the confirmed address of the writer's own account only")


def _ended(ids: Sequence[str]) -> Statement:
    return Statement(
        """WITH keys AS (DELETE FROM subscription_key WHERE subscription = ANY(%(ids)s))
           UPDATE subscription SET state = 'off', due = NULL, leased = NULL WHERE id = ANY(%(ids)s)""",
        {"ids": list(ids)},
    )


_GIVEN = """unnest(%(id)s::text[], %(version)s::int[], %(state)s::text[], %(channel)s::text[], %(content)s::text[],
  %(topic)s::text[], %(triggers)s::bytea[], %(endpoint)s::text[], %(headers)s::bytea[], %(timeout)s::smallint[],
  %(heartbeat)s::int[], %(most)s::smallint[], %(ends)s::timestamptz[], %(owner)s::bytea[], %(account)s::text[],
  %(practitioner)s::text[], %(client)s::text[], %(token)s::bytea[])
  AS x (id, version, state, channel, content, topic, triggers, endpoint, headers, timeout, heartbeat, most, ends, owner,
        account, practitioner, client, token)"""
_SAME = """(s.owner = x.owner AND s.triggers = x.triggers AND s.content = x.content AND s.channel = x.channel
  AND s.topic IS NOT DISTINCT FROM x.topic)"""
_FORGET = f"""WITH old AS (
    UPDATE subscription s SET told = s.events FROM {_GIVEN} WHERE s.id = x.id AND NOT {_SAME} RETURNING s.id)
  DELETE FROM subscription_event WHERE subscription IN (SELECT id FROM old)"""
_KEPT = (
    *("version", "state", "channel", "content", "topic", "triggers", "endpoint", "headers", "timeout", "heartbeat"),
    *("most", "ends", "owner", "account", "practitioner", "client", "registered", "token", "grant_id"),
    *("attempts", "due", "leased", "failed", "reason"),
)
_KEEP = f"""INSERT INTO subscription (id, {", ".join(_KEPT)})
  SELECT x.id, x.version, x.state, x.channel, x.content, x.topic, x.triggers, x.endpoint, x.headers, x.timeout,
         x.heartbeat, x.most, x.ends, x.owner, x.account, x.practitioner, x.client, c.id IS NOT NULL, x.token,
         t.grant_id, 0, CASE WHEN x.channel <> 'websocket' THEN now() END, NULL, NULL, NULL
  FROM {_GIVEN}
  LEFT JOIN access_token t ON t.hash = x.token LEFT JOIN client c ON c.id = x.client COLLATE "C"
  ON CONFLICT (id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _KEPT)}"""


def _keep(active: Sequence[tuple[str, int, Channel, Owner]], base: str) -> Work[None]:
    given = _columns(active)
    ids = given["id"]
    yield Statement(_FORGET, given)
    yield Statement(_KEEP, given)
    yield from keyed([(id_, channel.triggers) for id_, _, channel, _ in active], base)
    yield wake(ids)


def keyed(several: Sequence[tuple[str, Sequence[Trigger]]], base: str) -> Work[None]:
    """Let subscriptions be found by the keys of their triggers."""
    rows = sorted(
        (trigger.type, key, id_, place)
        for id_, triggers in several
        for place, trigger in enumerate(triggers)
        for key in keys(trigger.type, asked_of(trigger), base)
    )
    yield Statement("DELETE FROM subscription_key WHERE subscription = ANY(%s)", ([id_ for id_, _ in several],))
    yield Statement(
        """INSERT INTO subscription_key (type, key, subscription, trigger)
           SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::smallint[])""",
        [list(column) for column in zip(*rows, strict=True)],
    )


def asked_of(trigger: Trigger) -> str:
    """The criteria that every event of a trigger meets."""
    return "&".join(filter(None, (trigger.filter, _alone(trigger))))


def _alone(trigger: Trigger) -> str:
    """The criteria that every event meets: those on the new version, unless the old one may do instead."""
    return "" if trigger.previous and not trigger.both else trigger.current


def _columns(active: Sequence[tuple[str, int, Channel, Owner]]) -> dict[str, list[Any]]:
    channels = [channel for _, _, channel, _ in active]
    owners = [by for *_, by in active]
    return {
        "id": [id_ for id_, *_ in active],
        "version": [version for _, version, _, _ in active],
        "state": ["asking" if one.shakes_hands else "active" for one in channels],
        "channel": [str(one.kind) for one in channels],
        "content": [str(one.content) for one in channels],
        "topic": [one.topic for one in channels],
        "triggers": [msgspec.json.encode(one.triggers) for one in channels],
        "endpoint": [one.endpoint for one in channels],
        "headers": [msgspec.json.encode(one.headers) for one in channels],
        "timeout": [one.timeout for one in channels],
        "heartbeat": [one.heartbeat for one in channels],
        "most": [one.most for one in channels],
        "ends": [one.ends for one in channels],
        "owner": [_owner(by) for by in owners],
        **{name: [by[name] for by in owners] for name in ("account", "practitioner", "client")},
        "token": [bytes.fromhex(token) if (token := by.get("token")) else None for by in owners],
    }


def _owner(by: Owner) -> bytes:
    """The access without the token that it came by, so that the next token is the same writer's."""
    return msgspec.json.encode({name: by.get(name) for name in sorted(by) if name != "token"})
