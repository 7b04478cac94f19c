"""Whom workitems are about: the bridge from the worklist to FHIR."""

from __future__ import annotations

from healix_fhir.imaging.patients import match
from healix_fhir.kernel.database import Work


def find_patient(patient_id: str, issuer: str) -> Work[str | None]:
    """The logical id of the Patient that a PatientID means, by the rule for studies; None where there is none yet.

    No Patient is made for a workitem: it has no images that must belong to someone.
    """
    key = (patient_id, issuer)
    found = (yield from match([key]))[key]
    return None if found.made and found.body is None else found.patient
