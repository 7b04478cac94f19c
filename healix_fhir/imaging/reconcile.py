"""Reconciliation: the studies of which it is not known whose they are, and giving a study to a patient.

A study is unmatched while it belongs to the Patient that was made for its PatientID: no Patient carries that as an
identifier, or several do. Giving it to a Patient holds for that one study, against the rule of
healix_fhir/imaging/patients.py, until it is taken back; the objects keep the PatientID that they came with. Where all
studies of a Patient are another's, the Patients are merged instead (`link` of type replaced-by); the studies follow.

Spec: IHE RAD TF-1 4 (Patient Information Reconciliation); FHIR R4, hl7.org/fhir/R4/patient.html#links
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from dicomweb.events import study_changed
from dicomweb.uid import check_uid
from healix_fhir.imaging.patients import candidates
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import forbidden, not_found
from healix_fhir.kernel.outbox import publish
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from smart_auth.access import AccessContext
from smart_auth.patients import patient_keys
from smart_auth.scope import Permission

WORDS = ("assign-study", "query-unmatched")
LISTED = 1000


class Unmatched(msgspec.Struct, frozen=True):
    """A study that waits for its patient: the made one that has it, and the Patients who might be the one."""

    study: str
    patient: str
    patient_id: str | None
    issuer: str | None
    name: str | None
    birth_date: str | None
    sex: str | None
    study_date: str | None
    accession: str | None
    description: str | None
    instances: int
    updated: datetime
    candidates: Sequence[str] = ()


_UNMATCHED = """
SELECT s.study_uid, k.id, s.patient_id, s.patient_id_issuer, s.patient_name, s.patient_birth_date, s.patient_sex,
       s.study_date, s.accession_number, s.study_description, s.instance_count, s.updated
FROM study s JOIN patient_key k ON k.pat = s.pat WHERE s.patient_made ORDER BY s.pk DESC LIMIT %s"""


def unmatched(access: AccessContext) -> Work[list[Unmatched]]:
    """The worklist, the newest first, audited; at most `LISTED`. Raises Forbidden."""
    _require(access, Permission.SEARCH)
    rows = yield Statement(_UNMATCHED, (LISTED,))
    found = [Unmatched(*row) for row in rows]
    who = yield from candidates((one.patient_id, one.issuer or "") for one in found if one.patient_id)
    yield record([AuditRow(access.origin, "E", "query-unmatched")])
    return [
        msgspec.structs.replace(one, candidates=who.get((one.patient_id or "", one.issuer or ""), ())) for one in found
    ]


def persons(ids: Sequence[str]) -> Work[dict[str, str]]:
    """Name, birth date and gender of Patients by logical id, so that somebody can choose among candidates."""
    rows = yield Statement(
        "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted",
        (TYPE_ID["Patient"], sorted(set(ids))),
    )
    return {id_: _person(decode(bytes(body))) for id_, body in rows}


def _person(patient: Mapping[str, Any]) -> str:
    name: Mapping[str, Any] = next(iter(patient.get("name", ())), {})
    parts = [*name.get("given", ()), name.get("family", "")]
    shown = " ".join(part for part in parts if part) or name.get("text", "")
    return ", ".join(one for one in (shown, patient.get("birthDate", ""), patient.get("gender", "")) if one)


def assign(access: AccessContext, study: str, patient: str | None) -> Work[None]:
    """Give a study to the Patient of logical id `patient`, or (None) back to the one whom its PatientID means.

    Closed at once to whom it belonged to, open to the other when the bridge has written its ImagingStudy. Audited for
    both. Raises Forbidden, NotFound.
    """
    _require(access, Permission.UPDATE)
    rows = yield Statement(
        "SELECT k.id FROM study s LEFT JOIN patient_key k ON k.pat = s.pat WHERE s.study_uid = %s"
        " AND coalesce(s.pat, 0) >= 0 FOR UPDATE OF s",
        (check_uid(study, "StudyInstanceUID"),),
    )
    if not rows:
        raise not_found("there is no such study")
    if patient is None:
        yield Statement("DELETE FROM study_assignment WHERE study_uid = %s", (study,))
    else:
        yield from _given(access, study, patient)
    yield Statement("UPDATE study SET pat = NULL WHERE study_uid = %s", (study,))
    concerned = dict.fromkeys(one for one in (rows[0][0], patient) if one is not None)
    yield record(
        [AuditRow(access.origin, "U", "assign-study", patient=one, entity=study) for one in concerned or (None,)]
    )
    yield publish(study_changed([study]))


def _given(access: AccessContext, study: str, patient: str) -> Work[None]:
    known = yield Statement(
        "SELECT 1 FROM resource WHERE type = %s AND id = %s AND NOT deleted",
        (TYPE_ID["Patient"], patient.replace("\0", "")),
    )
    if not known:
        raise not_found(f"there is no Patient/{patient[:64]}")
    yield Statement(
        """INSERT INTO study_assignment AS a (study_uid, patient, account) VALUES (%s, %s, %s)
           ON CONFLICT (study_uid) DO UPDATE
             SET patient = excluded.patient, account = excluded.account, assigned = now()""",
        (study, patient, access.origin.account),
    )


_ASSIGNED = """
SELECT a.study_uid, a.patient FROM study_assignment a
JOIN resource r ON r.type = %s AND r.id = a.patient AND NOT r.deleted WHERE a.study_uid = ANY(%s)"""

_PUT = """
UPDATE study s SET pat = x.pat, patient_made = false FROM unnest(%s::text[], %s::bigint[]) AS x (study_uid, pat)
WHERE s.study_uid = x.study_uid AND (s.pat IS DISTINCT FROM x.pat OR s.patient_made)"""


def assigned(studies: Sequence[str]) -> Work[dict[str, str]]:
    """The logical ids of the Patients to whom studies were given by hand, as long as these exist."""
    rows = yield Statement(_ASSIGNED, (TYPE_ID["Patient"], list(studies)))
    return dict(rows)


def put(given: Mapping[str, str]) -> Work[None]:
    """Put studies under the Patients to whom they were given."""
    if given:
        pats = yield from patient_keys(sorted(set(given.values())))
        yield Statement(_PUT, (list(given), [pats[patient] for patient in given.values()]))


def _require(access: AccessContext, permission: Permission) -> None:
    if not access.sees_all("ImagingStudy", permission):
        raise forbidden("reconciliation needs system access to ImagingStudy")
