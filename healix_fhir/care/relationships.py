"""Keeps `care_relationship`, which decides what a clinician may see, up to date with the resources that say so.

An outbox consumer of the topic `resource`. It looks at the present state of what changed, under a lock, so that
events may come twice, late and in any order. A thousand are looked at with as many statements as one. When a
PractitionerRole changes, it looks at all that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from healix_fhir.care.relations import NAMING, ROLE, RULES, Reader
from healix_fhir.kernel.clock import now
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME, search_parameters
from healix_fhir.model.json import decode
from smart_auth.patients import patient_keys
from smart_auth.stated import Relationship, replace


def consumer(bases: tuple[str, ...] = ()) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`."""
    return lambda events: _handle(bases, events)


AT_ONCE = 1000
"""Resources that are looked at together: many may name one role."""

handle = consumer()


def _handle(bases: tuple[str, ...], events: Sequence[Event]) -> Work[None]:
    changed = {(TYPE_ID[kind], event.payload["id"]) for event in events if (kind := event.payload["type"]) in RULES}
    roles = [event.payload["id"] for event in events if event.payload["type"] == ROLE]
    if roles:
        changed |= {(type_id, id_) for type_id, id_ in (yield _naming(roles))}
    sources = sorted(changed)
    for start in range(0, len(sources), AT_ONCE):
        yield from _look(bases, sources[start : start + AT_ONCE])


def _look(bases: tuple[str, ...], sources: Sequence[tuple[int, str]]) -> Work[None]:
    """Write down what these resources state now."""
    bodies = yield present(sources)
    names_roles = any(_NAMED in bytes(body) for *_, body in bodies)
    reader = (yield from reader_of(bases, sources)) if names_roles else Reader(bases)
    within = {f"{TYPE_NAME[type_id]}/{id_}": set(patients) for type_id, id_, patients, _ in bodies}
    stated = [
        (f"{TYPE_NAME[type_id]}/{id_}", relation)
        for type_id, id_, _, body in bodies
        for relation in reader.relations(decode(bytes(body)))
    ]
    moment = now()
    stated = [(source, one) for source, one in stated if one.span.ends is None or one.span.ends > moment]
    keys = (yield from patient_keys([one.patient for _, one in stated])) if stated else {}
    # a resource speaks for patients only in whose compartment it is: these its writer had to be let into
    stated = [(source, one) for source, one in stated if keys[one.patient] in within[source]]
    yield replace(
        [f"{TYPE_NAME[type_id]}/{id_}" for type_id, id_ in sources],
        [
            Relationship(one.practitioner, keys[one.patient], source, one.span.starts, one.span.ends)
            for source, one in stated
        ],
    )


def reader_of(bases: tuple[str, ...], sources: Sequence[tuple[int, str]]) -> Work[Reader]:
    """A reader that knows the roles which these resources name."""
    named = yield _roles_of(sources)
    plain = Reader(bases)
    return Reader(bases, {id_: found for id_, body in named if (found := plain.role(decode(bytes(body)))) is not None})


_NAMED = f"{ROLE}/".encode()
_LINKS = [search_parameters(type_name)[code].id for type_name, code in NAMING.items()]


def _naming(roles: Sequence[str]) -> Statement:
    """The type and id of what names one of the roles."""
    return Statement(
        """SELECT r.type, r.id FROM index_reference f JOIN resource r ON r.pk = f.pk
           WHERE f.param = ANY(%s) AND f.target_type = %s AND f.target = ANY(%s) AND NOT r.deleted""",
        (_LINKS, TYPE_ID[ROLE], list(roles)),
        prepare=False,
    )


def _roles_of(sources: Sequence[tuple[int, str]]) -> Statement:
    """The ids and bodies of the roles that `sources` name."""
    return Statement(
        """SELECT DISTINCT o.id, o.body FROM unnest(%s::smallint[], %s::text[]) AS s (type, id)
           JOIN resource r ON r.type = s.type AND r.id = s.id
           JOIN index_reference f ON f.pk = r.pk AND f.param = ANY(%s) AND f.target_type = %s
           JOIN resource o ON o.type = f.target_type AND o.id = f.target AND NOT o.deleted""",
        ([type_id for type_id, _ in sources], [id_ for _, id_ in sources], _LINKS, TYPE_ID[ROLE]),
        prepare=False,
    )


def present(sources: Sequence[tuple[int, str]]) -> Statement:
    """The current bodies, after the keys of the patients in whose compartments they are; the rows stay locked, so that
    no older state can be written over a newer one.
    """
    return Statement(
        """SELECT r.type, r.id, r.pat || ARRAY(SELECT c.pat FROM compartment c WHERE c.pk = r.pk), r.body
           FROM resource r
           JOIN unnest(%s::smallint[], %s::text[]) AS s (type, id) ON r.type = s.type AND r.id = s.id
           WHERE NOT r.deleted ORDER BY r.type, r.id FOR NO KEY UPDATE OF r""",
        ([type_id for type_id, _ in sources], [id_ for _, id_ in sources]),
    )
