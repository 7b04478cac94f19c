"""Whose record a study belongs to, whoever asks: for the audit trail alone, which tells of what was not shown."""

from __future__ import annotations

from healix_fhir.kernel.database import Fragment


def concerned(study: str) -> Fragment:
    """A query for the logical id of the patient of a study; none where there is none."""
    return Fragment("SELECT k.id FROM study s JOIN patient_key k ON k.pat = s.pat WHERE s.study_uid = %s", (study,))
