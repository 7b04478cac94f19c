"""A relationship ends, by the patient or by the clinician: everything that states it is changed, and closes at once.

It is done with the access of who ends it, so that it can do no more than writes of theirs could. What these may not
change, as an appointment of several patients, or not so, as one that has its own rules, is left and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from healix_fhir.care import relationships
from healix_fhir.care.circle.ending import RULES, ended
from healix_fhir.interaction.accept import change
from healix_fhir.kernel import clock
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.json import decode
from healix_fhir.store.commit import commit_each
from healix_fhir.store.stored import Change, Committed, Method
from smart_auth.access import AccessContext
from smart_auth.patients import patient_keys
from smart_auth.person import PROXY
from smart_auth.scope import parse

SCOPE = parse(" ".join(f"user/{type_name}.cru" for type_name in RULES))


class Ended(msgspec.Struct, frozen=True):
    """How many statements of a relationship were ended, and how many could not be."""

    done: int
    left: int


def leave(access: AccessContext, who: str, patient: str, bases: tuple[str, ...]) -> Work[Ended]:
    """End what lets `who` (the id of a Practitioner, or `RelatedPerson/ID`) into the record of `patient`.

    Emergencies end by themselves and by who opened them.
    """
    keys = yield from patient_keys([patient])
    found = yield Statement(
        "SELECT v.source FROM care_relationship v WHERE v.practitioner = %s AND v.pat = %s AND NOT v.emergency",
        (who, keys[patient]),
    )
    sources = [(TYPE_ID[kind], id_) for (source,) in found for kind, _, id_ in [source.partition("/")] if kind in RULES]
    changes = yield from _changes(sources, who, bases)
    acting = msgspec.structs.replace(access, scopes=SCOPE)
    outcomes = yield from commit_each([(acting, one) for one in changes])
    events = [Event("resource", {"type": one.type, "id": one.id}) for one in changes]
    yield from relationships.consumer(bases)(events)
    done = sum(isinstance(outcome, Committed) for outcome in outcomes)
    if done:
        entity = who if who.startswith(f"{PROXY}/") else f"Practitioner/{who}"
        yield record([AuditRow(access.origin, "D", "care-end", patient=patient, entity=entity)])
    return Ended(done, len(outcomes) - done)


def _changes(sources: Sequence[tuple[int, str]], who: str, bases: tuple[str, ...]) -> Work[list[Change]]:
    rows = yield Statement(
        """SELECT r.type, r.id, r.version, r.body FROM resource r
           JOIN unnest(%s::smallint[], %s::text[]) AS s (type, id) ON r.type = s.type AND r.id = s.id
           WHERE NOT r.deleted ORDER BY r.type, r.id FOR NO KEY UPDATE OF r""",
        ([type_id for type_id, _ in sources], [id_ for _, id_ in sources]),
    )
    if not rows:
        return []
    reader = yield from relationships.reader_of(bases, sources)
    moment = clock.now()

    def leaves(reference: dict[str, Any] | None) -> bool:
        named = reader.clinician(reference)
        return named is not None and named[0] == who

    return [
        change(Method.PUT, ended(decode(bytes(body)), leaves, moment), TYPE_NAME[type_id], id_, bases, version)
        for type_id, id_, version, body in rows
    ]
