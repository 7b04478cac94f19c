"""What a Patient's record says, as the labels of images.

Spec: FHIR R4, hl7.org/fhir/R4/patient.html; PS3.5 6.2.1.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.imaging.elements import GENDER
from healix_fhir.imaging.patients import SYSTEM
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import invalid, not_found
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode

SEX = {gender: code for code, gender in GENDER.items()}
LONGEST = 64


def labels_of(patient: str) -> Work[dict[str, str]]:
    """The labels of the Patient of this logical id. Raises NotFound, Invalid for one without an identifier."""
    rows = yield Statement(
        "SELECT body FROM resource WHERE type = %s AND id = %s AND NOT deleted",
        (TYPE_ID["Patient"], patient.replace("\0", "")),
    )
    if not rows:
        raise not_found(f"there is no Patient/{patient[:64]}")
    return labels(decode(bytes(rows[0][0])))


def labels(patient: Mapping[str, Any]) -> dict[str, str]:
    """The labels that a Patient resource gives. Raises Invalid for one without an identifier."""
    found = next((one for one in patient.get("identifier", ()) if one.get("value")), None)
    if found is None:
        raise invalid("the Patient has no identifier that could be the PatientID", code="business-rule")
    return {
        "PatientName": _name(next(iter(patient.get("name", ())), {})),
        "PatientID": str(found["value"]),
        "IssuerOfPatientID": _issuer(found),
        "PatientBirthDate": _day(str(patient.get("birthDate", ""))),
        "PatientSex": SEX.get(str(patient.get("gender", "")), ""),
    }


def _issuer(identifier: Mapping[str, Any]) -> str:
    """As healix_fhir/imaging/patients.py reads it back."""
    system = str(identifier.get("system", ""))
    if system in ("", SYSTEM):
        return str(identifier.get("assigner", {}).get("display", ""))
    issuer = system.removeprefix("urn:oid:")
    return issuer if len(issuer) <= LONGEST else ""


def _day(birth_date: str) -> str:
    return birth_date.replace("-", "") if len(birth_date) == len("YYYY-MM-DD") else ""


def _name(name: Mapping[str, Any]) -> str:
    """Family, given, middle, prefix, suffix; the text where there are no parts."""
    given = _present(name, "given")
    parts = [
        str(name.get("family") or "") or ("" if given else str(name.get("text") or "")),
        given[0] if given else "",
        " ".join(given[1:]),
        " ".join(_present(name, "prefix")),
        " ".join(_present(name, "suffix")),
    ]
    return "^".join(part.translate(_SEPARATORS) for part in parts).rstrip("^")


def _present(name: Mapping[str, Any], element: str) -> list[str]:
    """The values of an element, without those that only extensions tell of."""
    return [str(part) for part in name.get(element) or () if part]


_SEPARATORS = str.maketrans("^=\\", "   ")
