"""Whom workitems are about: the bridge from the worklist to FHIR.

A workitem belongs to the Patient that its PatientID means when it is created, by the rule for studies; one that comes
before its Patient is given to that Patient later. No Patient is made for a workitem: it has no images that must belong
to someone. Where studies with the same PatientID move to another Patient, the workitems go with them
(healix_fhir/imaging/bridge.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.imaging.patients import Match, match
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.outbox import Event
from healix_fhir.model.definitions import TYPE_ID


def find_patient(patient_id: str, issuer: str) -> Work[str | None]:
    """The logical id of the Patient that a PatientID means; None where there is none yet."""
    key = (patient_id, issuer)
    return known_patient((yield from match([key]))[key])


def known_patient(found: Match) -> str | None:
    """The logical id of a matched Patient that is there; None of one that would have to be made."""
    return None if found.made and found.body is None else found.patient


_WAITING = """
SELECT DISTINCT w.patient_id, w.issuer FROM workitem w
WHERE w.pat IS NULL AND w.patient_id IN (
        SELECT i ->> 'value' FROM resource r, json_array_elements(convert_from(r.body, 'UTF8')::json -> 'identifier') i
        WHERE r.type = %s AND r.id = ANY(%s) AND NOT r.deleted)
   OR w.pat IN (SELECT k.pat FROM resource r JOIN patient_key k ON k.id = r.id
                WHERE r.type = %s AND r.id = ANY(%s) AND r.deleted)"""

_GIVE = """
UPDATE workitem w SET pat = k.pat
FROM unnest(%s::text[], %s::text[], %s::text[]) AS x (patient_id, issuer, id) LEFT JOIN patient_key k ON k.id = x.id
WHERE w.patient_id = x.patient_id AND w.issuer = x.issuer AND w.pat IS DISTINCT FROM k.pat"""


def patients(events: Sequence[Event]) -> Work[None]:
    """The consumer of resource events: a Patient with the PatientID of workitems came, changed or went."""
    ids = sorted({event.payload["id"] for event in events if event.payload["type"] == "Patient"})
    if not ids:
        return
    patient = TYPE_ID["Patient"]
    rows = yield Statement(_WAITING, (patient, ids, patient, ids))
    if not rows:
        return
    matches = yield from match([(patient_id, issuer) for patient_id, issuer in rows])
    keys = sorted(matches)
    yield Statement(
        _GIVE, ([key[0] for key in keys], [key[1] for key in keys], [known_patient(matches[key]) for key in keys])
    )
