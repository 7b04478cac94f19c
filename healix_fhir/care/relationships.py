"""Keeps `care_relationship`, which decides what a clinician may see, up to date with the resources that say so.

An outbox consumer of the topic `resource`. It looks at the present state of what changed, under a lock, so that
events may come twice, late and in any order. The number of statements does not depend on that of the events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from healix_fhir.care.relations import RULES, Reader, Relation
from healix_fhir.kernel.clock import now
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.json import decode
from smart_auth.access import patient_keys


def consumer(bases: tuple[str, ...] = ()) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`."""
    reader = Reader(bases)
    return lambda events: _handle(reader, events)


handle = consumer()


def _handle(reader: Reader, events: Sequence[Event]) -> Work[None]:
    sources = sorted(
        {(TYPE_ID[kind], event.payload["id"]) for event in events if (kind := event.payload["type"]) in RULES}
    )
    if not sources:
        return
    bodies = yield _present(sources)
    stated = [
        (f"{TYPE_NAME[type_id]}/{id_}", relation)
        for type_id, id_, body in bodies
        if body
        for relation in reader.relations(decode(bytes(body)))
    ]
    moment = now()
    stated = [(source, one) for source, one in stated if one.span.ends is None or one.span.ends > moment]
    keys = (yield from patient_keys([one.patient for _, one in stated])) if stated else {}
    yield _replace([f"{TYPE_NAME[type_id]}/{id_}" for type_id, id_ in sources], stated, keys)


def _present(sources: Sequence[tuple[int, str]]) -> Statement:
    """The current bodies; the rows stay locked, so that no older state can be written over a newer one."""
    return Statement(
        """SELECT r.type, r.id, r.body FROM resource r
           JOIN unnest(%s::smallint[], %s::text[]) AS s (type, id) ON r.type = s.type AND r.id = s.id
           WHERE NOT r.deleted ORDER BY r.type, r.id FOR NO KEY UPDATE OF r""",
        ([type_id for type_id, _ in sources], [id_ for _, id_ in sources]),
    )


def _replace(sources: Sequence[str], stated: Sequence[tuple[str, Relation]], keys: dict[str, int]) -> Statement:
    """Make `stated` all that `sources` say."""
    return Statement(
        """WITH stated AS (
             SELECT * FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::timestamptz[], %s::timestamptz[])
               AS x (practitioner, pat, source, starts, ends)),
           gone AS (
             DELETE FROM care_relationship c WHERE c.source = ANY(%s) AND NOT EXISTS (
               SELECT FROM stated s WHERE (s.practitioner, s.pat, s.source) = (c.practitioner, c.pat, c.source)))
           INSERT INTO care_relationship AS c (practitioner, pat, source, starts, ends)
           SELECT practitioner, pat, source, starts, ends FROM stated ORDER BY practitioner, pat, source
           ON CONFLICT (practitioner, pat, source) DO UPDATE SET starts = excluded.starts, ends = excluded.ends
             WHERE (c.starts, c.ends) IS DISTINCT FROM (excluded.starts, excluded.ends)""",
        (
            [one.practitioner for _, one in stated],
            [keys[one.patient] for _, one in stated],
            [source for source, _ in stated],
            [one.span.starts for _, one in stated],
            [one.span.ends for _, one in stated],
            list(sources),
        ),
    )
