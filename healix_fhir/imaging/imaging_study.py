"""The FHIR ImagingStudy of a study.

Spec: FHIR R4, hl7.org/fhir/R4/imagingstudy.html
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from dicomweb.index.body_parts import body_part
from healix_fhir.imaging.access import display_endpoint, retrievable
from healix_fhir.imaging.elements import DCM, UID_SYSTEM, URI_SYSTEM, code, date_time, display_name, text, unsigned
from healix_fhir.imaging.studies import Series, Study

NAMESPACE = uuid.UUID("5b7fbb2c-9a1e-5f57-8a39-6c1d9b0c0f3e")
"""Of the ids that the bridge makes: the same study gives the same id, so that a retry makes no second resource."""

KEPT_META = frozenset({"profile", "security", "tag"})
"""What a further version keeps of `meta`: above all the labels, which would show the study if they went away."""

_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
PERFORMER = {"system": _PARTICIPATION, "code": "PRF"}
OPERATOR = {"system": _PARTICIPATION, "code": "SPRF"}
"""Functions of who is named as performing physician, and as operator. Spec: ValueSet series-performer-function"""

_SNOMED = "http://snomed.info/sct"
LATERALITY = {
    "L": {"system": _SNOMED, "code": "419161000", "display": "Unilateral left"},
    "R": {"system": _SNOMED, "code": "419465000", "display": "Unilateral right"},
    "B": {"system": _SNOMED, "code": "51440002", "display": "Bilateral"},
}
"""Spec: ValueSet bodysite-laterality; PS3.3 C.7.3.1 (2024d)"""

ACCESSION = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]}


def imaging_study_id(study_uid: str) -> str:
    """The logical id of the ImagingStudy of a study."""
    return str(uuid.uuid5(NAMESPACE, f"ImagingStudy {study_uid}"))


def procedure_id(step_uid: str) -> str:
    """The logical id of the Procedure of a performed procedure step."""
    return str(uuid.uuid5(NAMESPACE, f"Procedure {step_uid}"))


def study_identifier(study_uid: str) -> dict[str, Any]:
    """The identifier that a Study Instance UID is."""
    return {"system": UID_SYSTEM, "value": f"urn:oid:{study_uid}"}


def imaging_study(
    study: Study,
    patient: str,
    existing: dict[str, Any] | None = None,
    dicomweb: str = "",
    ordered: Sequence[dict[str, Any]] = (),
    procedure: dict[str, Any] | None = None,
    *,
    shown: bool = False,
) -> dict[str, Any]:
    """The resource, for the Patient of logical id `patient`; `dicomweb` is where its images are retrieved from,
    `ordered` the orders that it was made on, `procedure` the first Procedure by which it was made, `shown` whether a
    viewer is installed there.

    What others have added to the `existing` one stays; the elements below always follow the study.
    """
    modalities = sorted({modality for series in study.series if (modality := code(series.modality))})
    identifiers: list[dict[str, Any]] = [study_identifier(study.uid)]
    said = study.described
    if accession := text(study.accession):
        identifiers.append(accession_identifier(accession, said.accession_issuer))
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
        "series": [_series(series, study) for series in study.series],
    }
    if said.readers:
        ours["interpreter"] = [{"display": name} for name in said.readers]
    if said.procedures:
        ours["procedureCode"] = list(said.procedures)
    if said.reasons:
        ours["reasonCode"] = list(said.reasons)
    if procedure is not None:
        ours["procedureReference"] = procedure
    others = [one for one in (existing or {}).get("basedOn", ()) if not _is_ours(one)]
    ours["basedOn"] = [*ordered, *(one for one in others if one.get("reference") not in _named(ordered))]
    kept = {key: value for key, value in (existing or {}).items() if key not in ours and key != "meta"}
    if meta := {key: value for key, value in (existing or {}).get("meta", {}).items() if key in KEPT_META}:
        kept["meta"] = meta
    if not dicomweb:
        return _present(ours) | kept
    displays = [display_endpoint(dicomweb.removesuffix("/dicomweb"), study.uid)] if shown else []
    return retrievable(_present(ours) | kept, dicomweb, *displays)


def accession_identifier(number: str, issuer: str | None) -> dict[str, Any]:
    """The identifier that an accession number is."""
    return {"type": ACCESSION, **({"system": issuer} if issuer else {}), "value": number}


def _is_ours(order: dict[str, Any]) -> bool:
    """Whether a reference to an order was found by the accession number or the study, which may be another's by now."""
    by = order.get("identifier", {})
    return bool(by.get("type") == ACCESSION or by.get("system") == UID_SYSTEM)


def _named(ordered: Sequence[dict[str, Any]]) -> set[str]:
    return {one["reference"] for one in ordered}


def _series(series: Series, study: Study) -> dict[str, Any]:
    side = code(series.laterality) or ""
    said = series.described
    return _present(
        {
            "uid": series.uid,
            "number": unsigned(series.number),
            "modality": {"system": DCM, "code": code(series.modality) or "OT"},
            "description": text(series.description),
            "numberOfInstances": len(series.instances),
            "bodySite": said.region or _examined(series.body_part, side),
            "laterality": LATERALITY.get(side),
            "started": date_time(*series.started, study.timezone),
            "performer": [
                {"function": {"coding": [function]}, "actor": {"display": name}}
                for function, names in ((PERFORMER, said.performers), (OPERATOR, said.operators))
                for name in names
            ],
            "instance": [
                _present(
                    {
                        "uid": uid,
                        "sopClass": {"system": URI_SYSTEM, "code": f"urn:oid:{sop_class}"},
                        "number": unsigned(number),
                        "title": study.titles.get(uid),
                    }
                )
                for uid, sop_class, number in series.instances
            ],
        }
    )


def _examined(value: str | None, side: str) -> dict[str, Any] | None:
    """Body Part Examined as Coding: alone what it says where that is no term, or is of the other side.

    Spec: FHIR R4 imagingstudy-definitions.html#ImagingStudy.series.bodySite: it is consistent with the laterality
    """
    part = body_part(value, side)
    if part is not None:
        return {"system": _SNOMED, "code": part.code, "display": part.meaning}
    said = text(value)
    return {"display": said} if said else None


def _present(element: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in element.items() if value is not None and value != []}
