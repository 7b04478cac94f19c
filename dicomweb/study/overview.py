"""One study as those see it who manage the store: what it says of itself, its series, and what is upon it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dicomweb.uid import check_uid
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Fragment, Statement, Work
from healix_fhir.kernel.errors import forbidden, not_found
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

WORD = "query-study"
LISTED = 100


class SeriesLine(msgspec.Struct, frozen=True):
    """One series."""

    uid: str
    number: int | None
    modality: str | None
    description: str | None
    instances: int


class StudyLine(msgspec.Struct, frozen=True):
    """One study; `patient` is the logical id of the Patient who has it, `made` whether that one was made for it."""

    uid: str
    patient: str | None
    made: bool
    name: str | None
    patient_id: str | None
    issuer: str | None
    birth_date: str | None
    sex: str | None
    date: str | None
    accession: str | None
    description: str | None
    instances: int
    hold: str | None
    assigned: str | None
    series: Sequence[SeriesLine] = ()


_STUDY = """
SELECT s.study_uid, k.id, s.patient_made, s.patient_name, s.patient_id, s.patient_id_issuer, s.patient_birth_date,
       s.patient_sex, s.study_date, s.accession_number, s.study_description, s.instance_count, h.reason, a.patient
FROM study s LEFT JOIN patient_key k ON k.pat = s.pat LEFT JOIN study_hold h ON h.study_uid = s.study_uid
LEFT JOIN study_assignment a ON a.study_uid = s.study_uid
WHERE {condition} ORDER BY s.pk DESC LIMIT %s"""

_SERIES = """
SELECT e.series_uid, e.series_number, e.modality, e.series_description, e.instances_in_series
FROM series e JOIN study s ON s.pk = e.study_pk WHERE s.study_uid = %s ORDER BY e.series_number, e.pk"""


def overview(access: AccessContext, study: str) -> Work[StudyLine]:
    """One study, audited. Raises Invalid, Forbidden unless every study is open to `access`, NotFound."""
    _require(access)
    open_ = _open(access)
    rows = yield Statement(
        _STUDY.format(condition=f"s.study_uid = %s AND {open_.sql}"),
        (check_uid(study, "StudyInstanceUID"), *open_.params, 1),
    )
    if not rows:
        raise not_found("there is no such study")
    series = yield Statement(_SERIES, (study,))
    found = msgspec.structs.replace(StudyLine(*rows[0]), series=[SeriesLine(*row) for row in series])
    yield record([AuditRow(access.origin, "E", WORD, patient=found.patient, entity=study)])
    return found


def look_up(access: AccessContext, key: str) -> Work[list[StudyLine]]:
    """The studies with this StudyInstanceUID, AccessionNumber or PatientID, the newest first; audited."""
    _require(access)
    open_ = _open(access)
    rows = yield Statement(
        _STUDY.format(condition=f"(s.study_uid = %s OR s.accession_number = %s OR s.patient_id = %s) AND {open_.sql}"),
        (key, key, key, *open_.params, LISTED),
    )
    found = [StudyLine(*row) for row in rows]
    patients = dict.fromkeys(one.patient for one in found)
    yield record([AuditRow(access.origin, "E", WORD, patient=one, query=key) for one in patients or {None: None}])
    return found


def _open(access: AccessContext) -> Fragment:
    """All studies but the copies of research projects."""
    return access.represented("ImagingStudy", Permission.SEARCH, "s.pat", "s.imaging_study")


def _require(access: AccessContext) -> None:
    if not access.sees_all("ImagingStudy", Permission.SEARCH):
        raise forbidden("managing studies needs system access to ImagingStudy")
