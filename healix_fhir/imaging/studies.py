"""The present state of studies, as the bridge reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from healix_fhir.imaging.described import TITLED, Described, described, members_of, title
from healix_fhir.kernel.database import Statement, Work


@dataclass(frozen=True, slots=True)
class Series:
    """One series; `instances` are (SOPInstanceUID, SOPClassUID, InstanceNumber) in order of number."""

    uid: str
    number: int | None
    modality: str | None
    description: str | None
    body_part: str | None
    laterality: str | None
    started: tuple[str | None, str | None]
    described: Described
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
    titles: dict[str, str] = field(default_factory=dict)
    series: list[Series] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """What the patient is known by: PatientID and issuer; an object without PatientID stands for itself."""
        return (self.patient_id, self.issuer) if self.patient_id else ("", self.uid)

    @property
    def other_keys(self) -> list[tuple[str, str]]:
        """What else the patient is known by, each with its issuer; the PatientID itself first, if its qualifiers name
        one.
        """
        said = self.described
        own = [(self.patient_id, said.patient_issuer)] if said.patient_issuer and not self.issuer else []
        return [*own, *said.other_ids]

    @property
    def has_titles(self) -> bool:
        """Whether some of its objects are such as have titles."""
        return any(sop_class.startswith(TITLED) for series in self.series for _, sop_class, _ in series.instances)

    @property
    def described(self) -> Described:
        """What its first object says."""
        return self.series[0].described if self.series else Described()


_STUDIES = """
SELECT s.study_uid, coalesce(s.patient_id, ''), coalesce(s.patient_id_issuer, ''), s.patient_name,
       s.patient_birth_date, s.patient_sex, s.study_date, s.study_time, s.timezone_offset, s.accession_number,
       s.study_description, s.referring_physician, k.id
FROM study s LEFT JOIN patient_key k ON k.pat = s.pat WHERE s.study_uid = ANY(%s) ORDER BY s.pk"""

_SERIES = """
SELECT s.study_uid, e.series_uid, e.series_number, e.modality, e.series_description, e.body_part, e.laterality,
       e.series_date, e.series_time, e.performed_date, e.performed_time,
       (SELECT f.metadata FROM instance f WHERE f.series_pk = e.pk ORDER BY f.pk LIMIT 1),
       array_agg(i.instance_uid ORDER BY i.instance_number, i.pk),
       array_agg(i.sop_class_uid ORDER BY i.instance_number, i.pk),
       array_agg(i.instance_number ORDER BY i.instance_number, i.pk)
FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
WHERE s.study_uid = ANY(%s) GROUP BY s.study_uid, e.pk ORDER BY e.series_number, e.pk"""


_TITLED = """
SELECT s.study_uid, i.instance_uid, i.metadata
FROM study s JOIN series e ON e.study_pk = s.pk JOIN instance i ON i.series_pk = e.pk
WHERE s.study_uid = ANY(%s) AND i.sop_class_uid ^@ ANY(%s)"""
"""Documents and presentation states, whose titles say what they are; images are too many to be read again."""


def read(uids: Sequence[str]) -> Work[list[Study]]:
    """The studies that exist, with their series and instances; two statements, one more for titles of documents."""
    rows = yield Statement(_STUDIES, (list(uids),))
    studies = {row[0]: Study(*row) for row in rows}
    rows = yield Statement(_SERIES, (list(studies),))
    for row in rows:
        studies[row[0]].series.append(_series(row))
    if with_titles := [study.uid for study in studies.values() if study.has_titles]:
        rows = yield Statement(_TITLED, (with_titles, list(TITLED)))
        for uid, instance, encoded in rows:
            if found := title(members_of(encoded)):
                studies[uid].titles[instance] = found
    return [study for study in studies.values() if study.series]


def _series(row: Sequence[Any]) -> Series:
    (
        uid, number, modality, description, body_part, laterality, date, time, performed_date, performed_time, first,
        uids, classes, numbers,
    ) = row[1:]  # fmt: skip
    instances = tuple(zip(uids, classes, numbers, strict=True))
    started = (date, time) if date else (performed_date, performed_time)
    return Series(
        uid,
        number,
        modality,
        description,
        body_part,
        laterality,
        started,
        described(members_of(first)),
        instances,
    )
