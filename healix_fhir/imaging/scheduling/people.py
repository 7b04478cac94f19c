"""Whom an order names, as DICOM names people; pure.

Spec: PS3.3 C.2.2, C.2.3 and C.4.10 to C.4.12 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.imaging.patients import SYSTEM
from healix_fhir.imaging.scheduling.values import NAME_DELIMITERS, codings, cut, fitting, person_name

Json = Mapping[str, Any]

LONGEST_ID = 64


def patient_id(patient: Json) -> tuple[str, str]:
    """PatientID and issuer of a Patient, by which its images find it again (healix_fhir/imaging/patients.py).

    The identifier of type MR, else the first that is no old one; without any the logical id.
    """
    current = [one for one in patient.get("identifier", ()) if one.get("use") != "old"]
    records = [one for one in current if any(coding.get("code") == "MR" for coding in codings(one.get("type")))]
    for one in (*records, *current):
        if number := fitting(one.get("value"), LONGEST_ID):
            return number, _issuer(one)
    return str(patient.get("id", "")), ""


def _issuer(identifier: Json) -> str:
    system = str(identifier.get("system", ""))
    if system == SYSTEM or not system:
        return fitting(identifier.get("assigner", {}).get("display"), LONGEST_ID)
    return fitting(system.removeprefix("urn:oid:"), LONGEST_ID)


def practitioner_of(reference: Json | None, known: Mapping[str, Json]) -> str:
    """The name of the person that a reference to a Practitioner or to a role of one means; empty of all else."""
    if reference is None:
        return ""
    resource = known.get(reference.get("reference", ""), {})
    if resource.get("resourceType") == "PractitionerRole":
        return practitioner_of(resource.get("practitioner"), known) or _shown(reference)
    if resource.get("resourceType") == "Practitioner":
        return person_name(resource.get("name", ())) or _shown(reference)
    kind = reference.get("type") or reference.get("reference", "").partition("/")[0]
    return _shown(reference) if not resource and kind in ("Practitioner", "PractitionerRole") else ""


def _shown(reference: Json) -> str:
    return NAME_DELIMITERS.sub(" ", cut(reference.get("display"), 64))
