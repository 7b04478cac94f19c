"""What the stored metadata of an object says beyond the index: codes, people, titles.

Spec: FHIR R4, hl7.org/fhir/R4/imagingstudy-mappings.html#dicom; PS3.3 C.7.2.1, C.7.3.1 and 8.8 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec
import zstandard

from dicomweb.index.regions import anatomic_item
from healix_fhir.imaging.elements import DCM, UNPRINTABLE, code, display_name, text

Members = dict[str, Any]

ISSUER, QUALIFIERS, OTHER_IDS, PATIENT_ID = "00100021", "00100024", "00101002", "00100020"
PROCEDURE, REASON = "00081032", "00401012"
ACCESSION_ISSUER = "00080051"
READING, PERFORMING, OPERATORS = "00081060", "00081050", "00081070"
CONTENT_LABEL, DOCUMENT_TITLE, CONCEPT = "00700080", "00420010", "0040A043"
TITLED = (
    "1.2.840.10008.5.1.4.1.1.88.",
    "1.2.840.10008.5.1.4.1.1.11.",
    "1.2.840.10008.5.1.4.1.1.104.",
)
"""How the SOP classes begin whose objects have titles: reports, presentation states, encapsulated documents."""

SYSTEMS: Mapping[str, str] = MappingProxyType(
    {
        "DCM": DCM,
        "SCT": "http://snomed.info/sct",
        "SRT": "http://snomed.info/srt",
        "LN": "http://loinc.org",
        "RADLEX": "http://radlex.org",
        "CPT": "http://www.ama-assn.org/go/cpt",
        "C4": "http://www.ama-assn.org/go/cpt",
        "I10": "http://hl7.org/fhir/sid/icd-10",
        "ICD10": "http://hl7.org/fhir/sid/icd-10",
        "UCUM": "http://unitsofmeasure.org",
    }
)
"""Systems by Coding Scheme Designator. Spec: PS3.16 8 (2024d), FHIR R4 terminologies-systems.html"""


@dataclass(frozen=True, slots=True)
class Described:
    """What the first object of a series says. `patient_issuer` is the universal id of who issued the PatientID, where
    its qualifiers name one; `other_ids` are further ids of the patient, each with its issuer.
    """

    procedures: tuple[Members, ...] = ()
    reasons: tuple[Members, ...] = ()
    region: Members | None = None
    readers: tuple[str, ...] = ()
    performers: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    accession_issuer: str | None = None
    patient_issuer: str | None = None
    other_ids: tuple[tuple[str, str], ...] = ()


def members_of(encoded: bytes) -> Members:
    """The DICOM JSON of an object as it is stored."""
    found: Members = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(encoded))
    return found


def described(members: Members) -> Described:
    """The codes and people of an object."""
    region = anatomic_item(members)
    return Described(
        tuple(_concepts(members, PROCEDURE)),
        tuple(_concepts(members, REASON)),
        coding(region) if region is not None else None,
        tuple(_names(members, READING)),
        tuple(_names(members, PERFORMING)),
        tuple(_names(members, OPERATORS)),
        _issuer(members),
        _universal(members) or None,
        tuple(_other_ids(members)),
    )


def title(members: Members) -> str | None:
    """What an object is called: its content label, the title of a report, or that of a document."""
    concept = next(_items(members, CONCEPT), {})
    return (
        text(_first(members, CONTENT_LABEL))
        or text(_first(concept, "00080104"))
        or text(_first(members, DOCUMENT_TITLE))
    )


def coding(item: Mapping[str, Any]) -> Members | None:
    """An item of a code sequence as Coding; None where it has no code."""
    value = code(_first(item, "00080100") or _first(item, "00080119") or _first(item, "00080120"))
    if value is None:
        return None
    found = {"code": value}
    scheme = _first(item, "00080102")
    if system := SYSTEMS.get(scheme):
        found = {"system": system, **found}
    if version := text(_first(item, "00080103")):
        found["version"] = version
    if meaning := text(_first(item, "00080104")):
        found["display"] = meaning
    return found


def _concepts(members: Members, tag: str) -> Iterator[Members]:
    for item in _items(members, tag):
        if (found := coding(item)) is not None:
            yield {"coding": [found]} | ({"text": found["display"]} if "display" in found else {})


def _items(members: Members, tag: str) -> Iterator[Members]:
    return (item for item in members.get(tag, {}).get("Value", ()) if isinstance(item, dict) and item)


def _first(members: Mapping[str, Any], tag: str) -> str:
    found = next(iter(members.get(tag, {}).get("Value", ())), None)
    return found if isinstance(found, str) else ""


def _names(members: Members, tag: str) -> Iterator[str]:
    for value in members.get(tag, {}).get("Value", ()):
        if isinstance(value, dict) and (name := display_name(value.get("Alphabetic"))):
            yield name


def _issuer(members: Members) -> str | None:
    """The system of the accession number, where its issuer is a URI or an OID. Spec: PS3.3 10.14 (2024d)"""
    item = next(_items(members, ACCESSION_ISSUER), {})
    name = UNPRINTABLE.sub("", _first(item, "00400032")).strip()
    kind = _first(item, "00400033")
    if kind == "ISO":
        return f"urn:oid:{name}"
    return name if kind == "URI" and not any(char.isspace() for char in name) else None


def _universal(members: Members) -> str:
    """Spec: PS3.3 10.15 (2024d): Issuer of Patient ID Qualifiers"""
    return _first(next(_items(members, QUALIFIERS), {}), "00400032").strip()


def _other_ids(members: Members) -> Iterator[tuple[str, str]]:
    """Only those whose issuer is known: a number alone is somebody else's in another house."""
    for item in _items(members, OTHER_IDS):
        value, issuer = _first(item, PATIENT_ID).strip(), _universal(item) or _first(item, ISSUER).strip()
        if value and issuer:
            yield value, issuer
