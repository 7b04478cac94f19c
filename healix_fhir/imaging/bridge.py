"""From stored studies to FHIR: keeps ImagingStudy and the patient of each study up to date.

Two outbox consumers. `studies` (topic `study`) matches the patient and writes the ImagingStudy; `patients` (topic
`resource`) finds the studies whose PatientID a changed Patient carries, and announces them again. Both look at the
present state, so events may come twice, late and in any order; the number of statements does not depend on that of
the events. One node at a time runs the bridge: a lock orders them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from dicomweb.events import TOPIC, study_changed
from healix_fhir.imaging import reconcile
from healix_fhir.imaging.access import ID as ENDPOINT
from healix_fhir.imaging.access import wado_endpoint
from healix_fhir.imaging.imaging_study import imaging_study, imaging_study_id
from healix_fhir.imaging.orders import Performed, merged, orders, performed
from healix_fhir.imaging.patients import Key, Match, made_patient, match, replaced
from healix_fhir.imaging.studies import Study, read
from healix_fhir.interaction.accept import change
from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.hashing import key64
from healix_fhir.kernel.outbox import Event, publish
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.store.body import unpack
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Change, Method
from smart_auth.access import internal
from smart_auth.patients import patient_keys

Consumer: TypeAlias = Callable[[Sequence[Event]], Work[None]]

LOCK = key64("imaging bridge")
PAUSE_PER_INSTANCE = timedelta(milliseconds=1)
LONGEST_PAUSE = timedelta(milliseconds=500)
"""How long a study that is still growing rests between two versions: so the work stays in proportion to its size."""


def studies(bases: tuple[str, ...], has_viewer: Callable[[], bool] = lambda: False) -> Consumer:
    """The consumer of study events, on a server whose FHIR base URLs are `bases`; `has_viewer` tells whether it shows
    images too.
    """
    return lambda events: _studies(bases, events, shown=has_viewer())


def _studies(bases: tuple[str, ...], events: Sequence[Event], *, shown: bool) -> Work[None]:
    yield Statement("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    asked = sorted({event.payload["study"] for event in events})
    changes = yield from _deleted(asked)
    uids = yield from _due(asked)
    if not (uids or changes):
        return
    found = yield from read(uids)
    existing = yield from _existing(found)
    matches = yield from match((study.key for study in found), {study.key: study.other_keys for study in found})
    given = yield from reconcile.assigned([study.uid for study in found])
    moved = yield from _settle(found, matches)
    yield from reconcile.put(given)
    changes += _patient_changes([study for study in found if study.uid not in given], matches, bases)
    where = f"{bases[0].removesuffix('/fhir')}/dicomweb" if bases else ""
    whose = {study.uid: given.get(study.uid) or matches[study.key].patient for study in found}
    ordered = yield from orders(whose, found)
    steps = yield from performed(whose, found)
    for study in found:
        before = existing.get(imaging_study_id(study.uid))
        made = steps.get(study.uid, Performed())
        named = merged(ordered.get(study.uid, ()), made.orders)
        resource = imaging_study(study, whose[study.uid], before, where, named, made.procedure, shown=shown)
        changes.append(change(Method.PUT, resource, "ImagingStudy", resource["id"], bases))
    changes += _endpoint(existing.get(ENDPOINT), where, bases)
    yield from commit(internal("imaging"), changes)
    ids = [imaging_study_id(study.uid) for study in found]
    yield Statement(_JOIN, ([study.uid for study in found], ids, TYPE_ID["ImagingStudy"]))
    if further := set(moved) - set(uids):
        yield publish(study_changed(further))


_JOIN = """
UPDATE study s SET imaging_study = r.pk
FROM unnest(%s::text[], %s::text[]) AS x (study_uid, id) JOIN resource r ON r.type = %s AND r.id = x.id COLLATE "C"
WHERE s.study_uid = x.study_uid AND s.imaging_study IS DISTINCT FROM r.pk"""
"""Tells studies which resource is theirs, so that what hides the one hides the other."""


def _endpoint(known: dict[str, Any] | None, address: str, bases: tuple[str, ...]) -> list[Change]:
    """The Endpoint of this server's images, to be written where it is not there, or says another address."""
    if not address or (known is not None and known.get("address") == address):
        return []
    return [change(Method.PUT, wado_endpoint(address), "Endpoint", ENDPOINT, bases)]


_DUE = """
SELECT s.study_uid, s.instance_count, r.updated
FROM study s LEFT JOIN unnest(%s::text[], %s::text[]) AS x (study_uid, id) USING (study_uid)
LEFT JOIN resource r ON r.type = %s AND r.id = x.id
WHERE s.study_uid = ANY(%s) AND coalesce(s.pat, 0) >= 0"""
"""The copies of research projects are not due: they have no patient and no resource."""

_POSTPONE = """
INSERT INTO outbox (topic, payload, due)
SELECT %s, convert_to(json_build_object('study', u)::text, 'UTF8'), d
FROM unnest(%s::text[], %s::timestamptz[]) AS x (u, d)"""


def _due(uids: Sequence[str]) -> Work[list[str]]:
    """The studies to be written now; one that was written just before is put off until its pause is over.

    One that was written later than now was written before the clock was set back: it does not rest until then.
    """
    rows = yield Statement(_DUE, (uids, [imaging_study_id(uid) for uid in uids], TYPE_ID["ImagingStudy"], uids))
    moment = clock.now()
    ends = {uid: (written, _next(count, written)) for uid, count, written in rows if written is not None}
    resting = {uid: due for uid, (written, due) in ends.items() if written <= moment < due}
    if resting:
        yield Statement(_POSTPONE, (TOPIC, list(resting), list(resting.values())))
    return [uid for uid, _, _ in rows if uid not in resting]


def _next(instances: int, written: datetime) -> datetime:
    return written + min(instances * PAUSE_PER_INSTANCE, LONGEST_PAUSE)


_GONE = """
SELECT r.id FROM unnest(%s::text[], %s::text[]) AS x (study_uid, id) JOIN resource r ON r.type = %s AND r.id = x.id
WHERE NOT r.deleted AND NOT EXISTS (SELECT FROM study s WHERE s.study_uid = x.study_uid)"""


def _deleted(uids: Sequence[str]) -> Work[list[Change]]:
    """The ImagingStudies of studies that are not there any more, to be deleted."""
    rows = yield Statement(_GONE, (uids, [imaging_study_id(uid) for uid in uids], TYPE_ID["ImagingStudy"]))
    return [Change(Method.DELETE, "ImagingStudy", id_) for (id_,) in rows]


_EXISTING = """
SELECT r.id, r.body, CASE WHEN r.deleted THEN (
         SELECT h.body FROM resource_history h WHERE h.type = r.type AND h.id = r.id AND NOT h.deleted
         ORDER BY h.version DESC LIMIT 1) END
FROM resource r WHERE (r.type = %s AND r.id = ANY(%s)) OR (r.type = %s AND r.id = %s AND NOT r.deleted)
ORDER BY r.type, r.id FOR UPDATE OF r"""


def _existing(found: Sequence[Study]) -> Work[dict[str, dict[str, Any]]]:
    """What others have made of the resources, and the Endpoint by its id; locked, so that no label that comes
    meanwhile is written over.

    Of a resource that was deleted with its study, which has come back, it is what they had made of it before.
    """
    ids = [imaging_study_id(study.uid) for study in found]
    rows = yield Statement(_EXISTING, (TYPE_ID["ImagingStudy"], ids, TYPE_ID["Endpoint"], ENDPOINT))
    return {id_: decode(bytes(body) if body else unpack(bytes(before))) for id_, body, before in rows if body or before}


_SETTLE = """
WITH asked AS (
       SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::bool[]) AS x (patient_id, issuer, pat, made)),
     mapped AS (
       INSERT INTO study_patient AS m (patient_id, issuer, pat)
       SELECT patient_id, issuer, pat FROM asked WHERE patient_id <> ''
       ON CONFLICT (patient_id, issuer) DO UPDATE SET pat = excluded.pat WHERE m.pat <> excluded.pat),
     work AS (
       UPDATE workitem w SET pat = a.pat FROM asked a
       WHERE a.patient_id <> '' AND w.patient_id = a.patient_id AND w.issuer = a.issuer
         AND w.pat IS DISTINCT FROM a.pat),
     theirs AS MATERIALIZED (
       SELECT s.pk, a.pat, a.made FROM asked a
       JOIN study s ON s.patient_id = a.patient_id AND coalesce(s.patient_id_issuer, '') = a.issuer
       WHERE a.patient_id <> ''
       UNION ALL
       SELECT s.pk, a.pat, a.made FROM asked a JOIN study s ON s.study_uid = a.issuer WHERE a.patient_id = ''),
     moving AS MATERIALIZED (
       SELECT t.* FROM theirs t JOIN study s USING (pk)
       WHERE (s.pat IS DISTINCT FROM t.pat OR s.patient_made <> t.made) AND coalesce(s.pat, 0) >= 0
         AND NOT EXISTS (SELECT FROM study_assignment g JOIN resource r ON r.type = {patient} AND r.id = g.patient
                         WHERE g.study_uid = s.study_uid AND NOT r.deleted)),
     locked AS MATERIALIZED (
       SELECT s.pk FROM study s WHERE s.pk IN (
         SELECT m.pk FROM moving m
         UNION SELECT n.pk FROM study n WHERE n.study_uid = ANY(%s) AND (n.imaging_study IS NULL OR n.pat IS NULL))
       ORDER BY s.study_uid FOR UPDATE OF s)
UPDATE study s SET pat = m.pat, patient_made = m.made FROM locked l JOIN moving m USING (pk)
WHERE s.pk = l.pk
RETURNING s.study_uid""".format(patient=TYPE_ID["Patient"])
"""Locks all rows of studies that this transaction will change, in the order in which those that store do
(dicomweb/study/rows.py): they never wait for each other.
"""


def _settle(found: Sequence[Study], matches: Mapping[Key, Match]) -> Work[list[str]]:
    """Put every study and workitem of these patients under its patient; returns the studies that changed."""
    keys = sorted({study.key for study in found})
    pats = yield from patient_keys([matches[key].patient for key in keys])
    rows = yield Statement(
        _SETTLE,
        (
            [key[0] for key in keys],
            [key[1] for key in keys],
            [pats[matches[key].patient] for key in keys],
            [matches[key].made for key in keys],
            [study.uid for study in found],
        ),
    )
    return [uid for (uid,) in rows]


def _patient_changes(found: Sequence[Study], matches: Mapping[Key, Match], bases: tuple[str, ...]) -> list[Change]:
    """Patients to make, and made ones to mark as replaced; an existing one is not written over."""
    changes = []
    for key, study in {study.key: study for study in reversed(found)}.items():
        matched = matches[key]
        if matched.made and matched.body is None:
            resource: dict[str, Any] | None = made_patient(study)
        elif not matched.made and matched.body is not None:
            resource = replaced(matched.body, matched.patient)
        else:
            continue
        if resource is not None:
            changes.append(change(Method.PUT, resource, "Patient", resource["id"], bases))
    return changes


_AFFECTED = """
WITH named AS MATERIALIZED (
       SELECT DISTINCT i ->> 'value' AS patient_id
       FROM resource r, json_array_elements(convert_from(r.body, 'UTF8')::json -> 'identifier') i
       WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted),
     gone AS MATERIALIZED (
       SELECT k.pat FROM patient_key k LEFT JOIN resource r ON r.type = %s AND r.id = k.id
       WHERE k.id = ANY(%s) AND (r.pk IS NULL OR r.deleted OR EXISTS (
         SELECT FROM json_array_elements(convert_from(r.body, 'UTF8')::json -> 'link') l
         WHERE l ->> 'type' = 'replaced-by')))
SELECT s.study_uid FROM named n CROSS JOIN LATERAL (
  SELECT * FROM study s WHERE s.patient_id = n.patient_id OFFSET 0) s
UNION
SELECT s.study_uid FROM gone g CROSS JOIN LATERAL (SELECT * FROM study s WHERE s.pat = g.pat OFFSET 0) s"""
"""OFFSET keeps each look-up an index probe, also in a plan that was made while the tables were empty."""


def patients(events: Sequence[Event]) -> Work[None]:
    """The consumer of resource events: a Patient whom stored studies may concern came, changed, was merged or went,
    for good or not.
    """
    ids = sorted({event.payload["id"] for event in events if event.payload["type"] == "Patient"})
    if not ids:
        return
    patient = TYPE_ID["Patient"]
    rows = yield Statement(_AFFECTED, (patient, ids, patient, ids))
    if rows:
        yield publish(study_changed(uid for (uid,) in rows))
