"""$undo-merge: what a merge moved is moved back, and both Patients are as they were.

What nobody has changed since is put back as it was. Of what was changed, only what the merge did is undone; where that
cannot be told apart, because the resource referred to both Patients, it is left as it is, and named in the outcome.
What came after the merge stays with the Patient that it was written for.

Spec: FHIR R5, hl7.org/fhir/R5/patient-operation-merge.html (which leaves undoing to servers)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from healix_fhir.interaction.accept import change
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Row, Statement, Work, atransaction
from healix_fhir.kernel.outbox import Event, publish
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.model.json import decode_stored
from healix_fhir.model.references import references
from healix_fhir.operation.declaring import own
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.merging.devices import carried
from healix_fhir.operation.merging.merge import TOLD, WHO, answer, with_devices
from healix_fhir.operation.merging.moving import GROUP, pointed
from healix_fhir.operation.merging.records import PATIENT, Json, alone, named, parted, permit, refused, unlinked
from healix_fhir.search.params.reference import target
from healix_fhir.store import merges
from healix_fhir.store.body import unpack
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import AccessContext

TOPIC = "merge-undone"
"""Of events with the `source` and the `target` of a merge that was undone."""
UNDO = own(
    "undo-merge",
    "Undo a merge of Patients: what it moved goes back. What was changed since keeps its changes; what was written for"
    " the target since stays with it.",
    *WHO,
    *TOLD,
    levels=("type",),
    resource=(PATIENT,),
)
_CHANGED = """
SELECT m.type, m.id, m.version, r.version, r.deleted, r.body, h.body
FROM patient_merge_change m JOIN resource r ON r.type = m.type AND r.id = m.id
LEFT JOIN resource_history h ON h.type = m.type AND h.id = m.id AND h.version = m.version - 1 AND NOT h.deleted
WHERE m.merge = %s AND (m.type, m.id) > (%s, %s) ORDER BY m.type, m.id LIMIT %s"""


class Pair(msgspec.Struct, frozen=True):
    """The Patients of a merge; `bases` are this server's."""

    source: str
    target: str
    bases: tuple[str, ...]


async def undo_merge(interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with the outcome. Raises Forbidden, Invalid, NotFound, Unprocessable where there is none."""
    permit(access, "undo-merge")
    given, bases = invocation.given, interactions.bases
    count, devices, left = await atransaction(interactions.pool, lambda: _undone(access, given, bases), aside=True)
    warnings = [f"{one} was changed since and refers to both Patients: it was left as it is" for one in left]
    told = [f"{count} resources are as they were, or without what the merge did"]
    return answer(invocation, "; ".join(told + with_devices(devices, "for whose they are again")), None, *warnings)


def _undone(access: AccessContext, given: Given, bases: tuple[str, ...]) -> Work[tuple[int, int, list[str]]]:
    yield from alone()
    source = yield from named(given, "source", bases)
    pair = Pair(source, (yield from named(given, "target", bases)), bases)
    number = yield from merges.opened(pair.source, pair.target)
    if number is None:
        raise refused(f"{PATIENT}/{pair.source} was not merged into {PATIENT}/{pair.target} by $merge")
    yield from _possible(pair)
    known = yield from _source_before(number, pair)
    count, devices, after = 0, 0, (0, "")
    left: list[str] = []
    while True:
        rows = yield Statement(_CHANGED, (number, *after, GROUP))
        changes, unclear = _back(rows, pair, known)
        if changes:
            devices += yield from carried((yield from commit(access, changes)), bases, access.origin)
        count, left = count + len(changes), left + unclear
        if len(rows) < GROUP:
            break
        after = rows[-1][0], rows[-1][1]
    yield merges.end(number)
    yield publish([Event(TOPIC, {"source": pair.source, "target": pair.target})])
    entity, query = f"{PATIENT}/{pair.target}", f"{PATIENT}/{pair.source}"
    patients = (pair.source, pair.target)
    yield record([AuditRow(access.origin, "E", "$undo-merge", patient=x, entity=entity, query=query) for x in patients])
    return count, devices, left


def _possible(pair: Pair) -> Work[None]:
    """Refuse (Unprocessable) what would leave the data of the merged Patient with another one for good."""
    onward = yield from merges.onward(pair.target)
    if onward is not None:
        raise refused(f"{PATIENT}/{pair.target} was merged into {PATIENT}/{onward} since: undo that merge first")
    there = yield Statement(
        "SELECT 1 FROM resource WHERE type = %s AND id = %s AND NOT deleted FOR UPDATE",
        (TYPE_ID[PATIENT], pair.source),
    )
    if not there:
        raise refused(f"{PATIENT}/{pair.source} is deleted: what it had goes back to it only when it is there again")


def _source_before(number: int, pair: Pair) -> Work[Json]:
    """The merged Patient as it was before. Raises Unprocessable where that version was expunged."""
    rows = yield Statement(
        """SELECT h.body FROM patient_merge_change m
           JOIN resource_history h ON h.type = m.type AND h.id = m.id AND h.version = m.version - 1
           WHERE m.merge = %s AND m.type = %s AND m.id = %s AND NOT h.deleted""",
        (number, TYPE_ID[PATIENT], pair.source),
    )
    if not rows:
        raise refused(f"what {PATIENT}/{pair.source} was before was expunged: the merge cannot be undone")
    return decode_stored(unpack(rows[0][0]))


def _back(rows: Sequence[Row], pair: Pair, source: Json) -> tuple[list[Change], list[str]]:
    """The changes that undo what a merge did to these resources, and those of which that cannot be told."""
    changes: list[Change] = []
    left: list[str] = []
    for type_id, id_, made, version, deleted, body, packed in rows:
        if deleted:
            continue
        name = TYPE_NAME[type_id]
        before: Json | None = decode_stored(unpack(packed)) if packed is not None else None
        now = decode_stored(body)
        if version == made and before is not None:
            resource: Json | None = before
        elif name == PATIENT:
            resource = _patient(now, before or now, pair, source)
        elif before is None or _mentions(before, pair.target, pair.bases):
            resource = None
        else:
            resource = pointed(now, pair.target, pair.source, 1, pair.bases)
        if resource is None:
            left.append(f"{name}/{id_}")
            continue
        changes.append(msgspec.structs.replace(change(Method.PUT, resource, name, id_, pair.bases), seen=version))
    return changes, left


def _patient(now: Json, before: Json, pair: Pair, source: Json) -> Json:
    """One of the two Patients, changed since, without what the merge did to it."""
    if now["id"] == pair.target:
        return parted(now, source, before)
    alone = unlinked(now, "replaced-by", pair.target)
    active: dict[str, Any] = {"active": before["active"]} if "active" in before else {}
    return {key: value for key, value in alone.items() if key != "active"} | active


def _mentions(resource: Json, patient: str, bases: tuple[str, ...]) -> bool:
    return any(target(text, bases) == (TYPE_ID[PATIENT], patient) for _, text in references(resource))
