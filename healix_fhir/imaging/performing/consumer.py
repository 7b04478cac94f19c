"""From performed procedure steps to FHIR: their Procedures, and what they move on.

Two outbox consumers. `consumer` (topic `performed-step`) finds the patient of a step, writes its Procedure and moves
order, Task, Appointment and Encounter on; `patients` (topic `resource`) gives steps to a Patient who came later. Both
look at the present state, so that events may come twice, late and in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import msgspec

from dicomweb.dicomjson.reading import DataSet
from dicomweb.events import ANNOUNCE, step_performed
from dicomweb.procedure.scheduled.states import Performed
from healix_fhir.imaging.bridge import LOCK
from healix_fhir.imaging.imaging_study import procedure_id
from healix_fhir.imaging.patients import Key, match
from healix_fhir.imaging.performing.moves import moved
from healix_fhir.imaging.performing.procedure import procedure
from healix_fhir.imaging.scheduling.consumer import Found, read
from healix_fhir.imaging.whose import of_one_patient
from healix_fhir.imaging.workitems import known_patient
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event, publish
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method
from smart_auth.access import internal
from smart_auth.patients import patient_keys

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """The present state of a performed step; `requests` are the orders of what it performs, and how these stand."""

    uid: str
    dataset: DataSet
    key: Key
    patient: str | None
    requests: Mapping[str, Performed]


def consumer(bases: tuple[str, ...] = (), zone: tzinfo | None = None) -> Callable[[Sequence[Event]], Work[None]]:
    """The consumer for a server whose FHIR base URLs are `bases`, with modalities whose clocks are of `zone`."""
    return lambda events: _handle(bases, zone, events)


def _handle(bases: tuple[str, ...], zone: tzinfo | None, events: Sequence[Event]) -> Work[None]:
    uids = sorted({event.payload["uid"] for event in events})
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    steps = yield from _read(uids)
    whose = yield from _owners(steps)
    found = yield from read(bases, sorted({request for step in steps for request in step.requests}))
    held = yield from _held(steps, found)
    written: dict[tuple[str, str], Json] = {}
    for step in steps:
        owner = whose.get(step.uid)
        requests = [request for request in step.requests if _may_be_of(found.orders.get(request), step, owner)]
        if owner is not None:
            orders = [found.orders[request] for request in requests]
            id_ = procedure_id(step.uid)
            written["Procedure", id_] = procedure(
                step.uid, step.dataset, owner, orders, held.get(("Procedure", id_)), zone
            )
        for request in requests:
            for pair in _around(found, request):
                after = moved(written.get(pair) or held.get(pair) or {"resourceType": pair[0]}, step.requests[request])
                if after is not None:
                    written[pair] = after
    changes = [change(Method.PUT, body, kind, id_, bases) for (kind, id_), body in sorted(written.items())]
    if changes:
        yield from commit(internal("imaging"), changes)
    yield Statement(
        ANNOUNCE.format(
            source="study s WHERE s.study_uid IN"
            " (SELECT unnest(p.study_uids) FROM performed_step p WHERE p.uid = ANY(%s))"
        ),
        (uids,),
    )


def _may_be_of(order: Json | None, step: Step, owner: str | None) -> bool:
    """Whether a step, whose patient is `owner` where that is known, may perform an order: not that of another patient,
    whatever study or number it names. A step without a PatientID has nothing that speaks against it.
    """
    subject = (order or {}).get("subject", {}).get("reference", "")
    is_patient = subject.startswith("Patient/")
    if owner is None:
        return order is not None and not (is_patient and step.key[0])
    return order is not None and (not is_patient or subject == f"Patient/{owner}")


_READ = """
SELECT p.uid, p.dataset, p.patient_id, p.issuer, k.id,
       ARRAY(SELECT s.request FROM scheduled_step s WHERE s.pk = ANY(p.steps) AND s.request IS NOT NULL ORDER BY s.pk),
       ARRAY(SELECT s.performed FROM scheduled_step s WHERE s.pk = ANY(p.steps) AND s.request IS NOT NULL ORDER BY s.pk)
FROM performed_step p LEFT JOIN patient_key k ON k.pat = p.pat WHERE p.uid = ANY(%s) ORDER BY p.pk"""


def _read(uids: Sequence[str]) -> Work[list[Step]]:
    rows = yield Statement(_READ, (list(uids),))
    return [
        Step(
            uid, msgspec.json.decode(dataset), (patient_id, issuer), patient,
            dict(zip(requests, map(Performed, performed), strict=True)),
        )
        for uid, dataset, patient_id, issuer, patient, requests, performed in rows
    ]  # fmt: skip


def _owners(steps: Sequence[Step]) -> Work[dict[str, str]]:
    """The logical id of the patient of each step that has one; those found by PatientID are written down."""
    known = {step.uid: step.patient for step in steps if step.patient is not None}
    waiting = [step for step in steps if step.patient is None and step.key[0]]
    if not waiting:
        return known
    matches = yield from match([step.key for step in waiting])
    found = {step.uid: id_ for step in waiting if (id_ := known_patient(matches[step.key])) is not None}
    pats = yield from patient_keys(sorted(set(found.values())))
    yield Statement(
        "UPDATE performed_step p SET pat = x.pat FROM unnest(%s::text[], %s::bigint[]) AS x (uid, pat)"
        " WHERE p.uid = x.uid",
        (list(found), [pats[id_] for id_ in found.values()]),
    )
    return known | found


def _around(found: Found, request: str) -> list[tuple[str, str]]:
    """An order, and what plans it, as far as that is of the same patient."""
    order = found.orders.get(request)
    if order is None:
        return []
    visit = found.known.get(order.get("encounter", {}).get("reference", ""), {})
    around = [*found.tasks.get(request, ()), *found.appointments.get(request, ())]
    around += [visit] if visit.get("resourceType") == "Encounter" else []
    own = (one for one in around if of_one_patient(order, one))
    return [("ServiceRequest", request), *((one["resourceType"], one["id"]) for one in own)]


def _held(steps: Sequence[Step], found: Found) -> Work[dict[tuple[str, str], Json]]:
    """The resources that may be written, locked, so that what others write meanwhile is not written over."""
    pairs = {("Procedure", procedure_id(step.uid)) for step in steps}
    pairs |= {pair for request in found.orders for pair in _around(found, request)}
    wanted = sorted(pairs)
    rows = yield Statement(
        """SELECT r.body FROM resource r JOIN unnest(%s::smallint[], %s::text[]) AS s (type, id)
           ON r.type = s.type AND r.id = s.id WHERE NOT r.deleted ORDER BY r.type, r.id FOR UPDATE OF r""",
        ([TYPE_ID[kind] for kind, _ in wanted], [id_ for _, id_ in wanted]),
    )
    bodies = [decode(bytes(body)) for (body,) in rows]
    return {(body["resourceType"], body["id"]): body for body in bodies}


_WAITING = """
WITH named AS (
  SELECT DISTINCT i ->> 'value' AS value
  FROM resource r, json_array_elements(convert_from(r.body, 'UTF8')::json -> 'identifier') i
  WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted)
SELECT p.patient_id, p.issuer FROM performed_step p
WHERE (p.steps = '{}' OR p.pat IS NULL) AND p.patient_id IN (SELECT value FROM named)
UNION
SELECT s.patient_id, s.issuer FROM scheduled_step s
WHERE s.request IS NULL AND s.patient_id IN (SELECT value FROM named)"""

_GIVE = """
WITH whose AS (
       SELECT x.patient_id, x.issuer, k.pat
       FROM unnest(%s::text[], %s::text[], %s::text[]) AS x (patient_id, issuer, id) JOIN patient_key k ON k.id = x.id),
     scheduled AS (
       UPDATE scheduled_step s SET pat = w.pat FROM whose w
       WHERE s.request IS NULL AND s.patient_id = w.patient_id AND s.issuer = w.issuer
         AND s.pat IS DISTINCT FROM w.pat)
UPDATE performed_step p SET pat = w.pat FROM whose w
WHERE (p.steps = '{}' OR p.pat IS NULL) AND p.patient_id = w.patient_id AND p.issuer = w.issuer
  AND p.pat IS DISTINCT FROM w.pat
RETURNING p.uid"""


def patients(events: Sequence[Event]) -> Work[None]:
    """The consumer of resource events: a Patient with the PatientID of steps that no order names came or changed."""
    ids = sorted({event.payload["id"] for event in events if event.payload["type"] == "Patient"})
    if not ids:
        return
    keys = [(patient_id, issuer) for patient_id, issuer in (yield Statement(_WAITING, (TYPE_ID["Patient"], ids)))]
    if not keys:
        return
    matches = yield from match(keys)
    found = {key: id_ for key in keys if (id_ := known_patient(matches[key])) is not None}
    rows = yield Statement(_GIVE, ([key[0] for key in found], [key[1] for key in found], list(found.values())))
    if rows:
        yield publish(step_performed(uid for (uid,) in rows))
