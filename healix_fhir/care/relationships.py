"""Keeps `care_relationship`, which decides what a clinician may see, up to date with the resources that say so.

An outbox consumer of the topic `resource`. It looks at the present state of what changed, under a lock, so that
events may come twice, late and in any order. The number of statements does not depend on that of the events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from healix_fhir.care.relations import RULES, Reader
from healix_fhir.kernel.clock import now
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.json import decode
from smart_auth.patients import patient_keys
from smart_auth.stated import Relationship, replace


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
    bodies = yield present(sources)
    stated = [
        (f"{TYPE_NAME[type_id]}/{id_}", relation)
        for type_id, id_, body in bodies
        if body
        for relation in reader.relations(decode(bytes(body)))
    ]
    moment = now()
    stated = [(source, one) for source, one in stated if one.span.ends is None or one.span.ends > moment]
    keys = (yield from patient_keys([one.patient for _, one in stated])) if stated else {}
    yield replace(
        [f"{TYPE_NAME[type_id]}/{id_}" for type_id, id_ in sources],
        [
            Relationship(one.practitioner, keys[one.patient], source, one.span.starts, one.span.ends)
            for source, one in stated
        ],
    )


def present(sources: Sequence[tuple[int, str]]) -> Statement:
    """The current bodies; the rows stay locked, so that no older state can be written over a newer one."""
    return Statement(
        """SELECT r.type, r.id, r.body FROM resource r
           JOIN unnest(%s::smallint[], %s::text[]) AS s (type, id) ON r.type = s.type AND r.id = s.id
           WHERE NOT r.deleted ORDER BY r.type, r.id FOR NO KEY UPDATE OF r""",
        ([type_id for type_id, _ in sources], [id_ for _, id_ in sources]),
    )
