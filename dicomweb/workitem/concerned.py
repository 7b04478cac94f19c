"""Whose record a workitem belongs to, whoever asks: for the audit trail alone, which tells of what was not shown."""

from __future__ import annotations

from healix_fhir.kernel.database import Fragment


def whose_item(uid: str) -> Fragment:
    """A query for the logical id of the patient of a workitem; none where there is none."""
    return Fragment("SELECT k.id FROM workitem w JOIN patient_key k ON k.pat = w.pat WHERE w.uid = %s", (uid,))
