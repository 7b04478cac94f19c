"""The present state of studies, as the bridge reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from healix_fhir.kernel.database import Statement, Work


@dataclass(frozen=True, slots=True)
class Series:
    """One series; `instances` are (SOPInstanceUID, SOPClassUID, InstanceNumber) in order of number."""

    uid: str
    number: int | None
    modality: str | None
    description: str | None
    body_part: str | None
    performed_date: str | None
    performed_time: str | None
    instances: tuple[tuple[str, str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Study:
    """One study; the attributes are as DICOM writes them, None where absent."""

    uid: str
    patient_id: str
    issuer: str
    patient_name: str | None
    birth_date: str | None
    sex: str | None
    date: str | None
    time: str | None
    timezone: str | None
    accession: str | None
    description: str | None
    referrer: str | None
    patient: str | None
    series: list[Series] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """What the patient is known by: PatientID and issuer; an object without PatientID stands for itself."""
        return (self.patient_id, self.issuer) if self.patient_id else ("", self.uid)


_STUDIES = """
SELECT s.study_uid, coalesce(s.patient_id, ''), coalesce(s.patient_id_issuer, ''), s.patient_name,
       s.patient_birth_date, s.patient_sex, s.study_date, s.study_time, s.timezone_offset, s.accession_number,
       s.study_description, s.referring_physician, k.id
FROM study s LEFT JOIN patient_key k ON k.pat = s.pat WHERE s.study_uid = ANY(%s) ORDER BY s.pk"""

_SERIES = """
SELECT s.study_uid, e.series_uid, e.series_number, e.modality, e.series_description, e.body_part, e.performed_date,
       e.performed_time, array_agg(i.instance_uid ORDER BY i.instance_number, i.pk),
       array_agg(i.sop_class_uid ORDER BY i.instance_number, i.pk),
       array_agg(i.instance_number ORDER BY i.instance_number, i.pk)
FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
WHERE s.study_uid = ANY(%s) GROUP BY s.study_uid, e.pk ORDER BY e.series_number, e.pk"""


def read(uids: Sequence[str]) -> Work[list[Study]]:
    """The studies that exist, with their series and instances; two statements."""
    rows = yield Statement(_STUDIES, (list(uids),))
    studies = {row[0]: Study(*row) for row in rows}
    rows = yield Statement(_SERIES, (list(studies),))
    for row in rows:
        studies[row[0]].series.append(_series(row))
    return [study for study in studies.values() if study.series]


def _series(row: Sequence[Any]) -> Series:
    uid, number, modality, description, body_part, date, time, uids, classes, numbers = row[1:]
    instances = tuple(zip(uids, classes, numbers, strict=True))
    return Series(uid, number, modality, description, body_part, date, time, instances)
