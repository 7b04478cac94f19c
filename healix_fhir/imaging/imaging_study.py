"""The FHIR ImagingStudy of a study.

Spec: FHIR R4, hl7.org/fhir/R4/imagingstudy.html
"""

from __future__ import annotations

import uuid
from typing import Any

from healix_fhir.imaging.access import retrievable
from healix_fhir.imaging.elements import DCM, UID_SYSTEM, URI_SYSTEM, code, date_time, display_name, text, unsigned
from healix_fhir.imaging.studies import Series, Study

NAMESPACE = uuid.UUID("5b7fbb2c-9a1e-5f57-8a39-6c1d9b0c0f3e")
"""Of the ids that the bridge makes: the same study gives the same id, so that a retry makes no second resource."""

KEPT_META = frozenset({"profile", "security", "tag"})
"""What a further version keeps of `meta`: above all the labels, which would show the study if they went away."""

ACCESSION = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]}


def imaging_study_id(study_uid: str) -> str:
    """The logical id of the ImagingStudy of a study."""
    return str(uuid.uuid5(NAMESPACE, f"ImagingStudy {study_uid}"))


def imaging_study(
    study: Study, patient: str, existing: dict[str, Any] | None = None, dicomweb: str = ""
) -> dict[str, Any]:
    """The resource, for the Patient of logical id `patient`; `dicomweb` is where its images are retrieved from.

    What others have added to the `existing` one stays; the elements below always follow the study.
    """
    modalities = sorted({modality for series in study.series if (modality := code(series.modality))})
    identifiers: list[dict[str, Any]] = [{"system": UID_SYSTEM, "value": f"urn:oid:{study.uid}"}]
    if accession := text(study.accession):
        identifiers.append({"type": ACCESSION, "value": accession})
    referrer = display_name(study.referrer)
    ours = {
        "resourceType": "ImagingStudy",
        "id": imaging_study_id(study.uid),
        "identifier": identifiers,
        "status": "available",
        "modality": [{"system": DCM, "code": modality} for modality in modalities],
        "subject": {"reference": f"Patient/{patient}"},
        "started": date_time(study.date, study.time, study.timezone),
        "referrer": {"display": referrer} if referrer else None,
        "numberOfSeries": len(study.series),
        "numberOfInstances": sum(len(series.instances) for series in study.series),
        "description": text(study.description),
        "series": [_series(series, study.timezone) for series in study.series],
    }
    kept = {key: value for key, value in (existing or {}).items() if key not in ours and key != "meta"}
    if meta := {key: value for key, value in (existing or {}).get("meta", {}).items() if key in KEPT_META}:
        kept["meta"] = meta
    return retrievable(_present(ours) | kept, dicomweb) if dicomweb else _present(ours) | kept


def _series(series: Series, timezone: str | None) -> dict[str, Any]:
    body_part = text(series.body_part)
    return _present(
        {
            "uid": series.uid,
            "number": unsigned(series.number),
            "modality": {"system": DCM, "code": code(series.modality) or "OT"},
            "description": text(series.description),
            "numberOfInstances": len(series.instances),
            "bodySite": {"display": body_part} if body_part else None,
            "started": date_time(series.performed_date, series.performed_time, timezone),
            "instance": [
                _present(
                    {
                        "uid": uid,
                        "sopClass": {"system": URI_SYSTEM, "code": f"urn:oid:{sop_class}"},
                        "number": unsigned(number),
                    }
                )
                for uid, sop_class, number in series.instances
            ],
        }
    )


def _present(element: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in element.items() if value is not None and value != []}
