"""Which topics there are: those of the catalogue, and those that callers define by Basic resources.

A url is of whoever had it first, for as long as that resource has it: else anybody who may write a Basic resource could
say of what the subscribers to another's topic are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored
from healix_fhir.subscription.catalogue import BY_URL
from healix_fhir.subscription.topic import LONGEST_URL, Topic, is_topic, read_topic

TYPE = "Basic"
_TOPIC = msgspec.json.Decoder(Topic)


def find_topics(urls: Sequence[str]) -> Work[Mapping[str, Topic | HealixError]]:
    """The topics by url, or why they cannot be used; of several with one url the first."""
    found: dict[str, Topic | HealixError] = {url: BY_URL[url] for url in urls if url in BY_URL}
    left = sorted(set(urls) - found.keys())
    if left:
        rows = yield Statement(
            "SELECT url, topic, refused FROM subscription_topic WHERE url = ANY(%s) ORDER BY since DESC, id DESC",
            (left,),
        )
        found |= {url: invalid(refused) if topic is None else _TOPIC.decode(topic) for url, topic, refused in rows}
    unknown = {
        url: invalid(f"the topic {url[:200]} is not known", code="not-found") for url in left if url not in found
    }
    return found | unknown


def keep(events: Sequence[Event], base: str) -> Work[None]:
    """Learn the topics that changed Basic resources define."""
    ids = sorted({event.payload["id"] for event in events})
    rows = yield Statement(
        "SELECT id, body, updated FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted", (TYPE_ID[TYPE], ids)
    )
    kept = [
        (*_row(id_, resource, base), since)
        for id_, body, since in rows
        if is_topic(resource := decode_stored(bytes(body)))
    ]
    yield Statement("DELETE FROM subscription_topic WHERE id = ANY(%s)", (sorted({*ids} - {one[0] for one in kept}),))
    if kept:
        columns = [list(column) for column in zip(*kept, strict=True)]
        yield Statement(
            """INSERT INTO subscription_topic AS old (id, url, topic, refused, since)
               SELECT * FROM unnest(%s::text[], %s::text[], %s::bytea[], %s::text[], %s::timestamptz[])
               ON CONFLICT (id) DO UPDATE SET url = excluded.url, topic = excluded.topic, refused = excluded.refused,
                 since = CASE WHEN old.url = excluded.url THEN old.since ELSE excluded.since END""",
            columns,
        )


def _row(id_: str, resource: Mapping[str, object], base: str) -> tuple[str, str, bytes | None, str | None]:
    try:
        topic = read_topic(resource, base)
    except HealixError as error:
        return id_, _url(resource), None, f"the topic Basic/{id_} cannot be used: {error.message}"
    return id_, topic.url, msgspec.json.encode(topic), None


def _url(resource: Mapping[str, object]) -> str:
    extensions = resource.get("extension")
    found = extensions if isinstance(extensions, list) else []
    url = next((one["valueUri"] for one in found if str(one.get("url")).endswith(".url") and "valueUri" in one), "")
    return url[:LONGEST_URL]
