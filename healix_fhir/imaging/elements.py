"""Values of DICOM attributes as FHIR data types.

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html; PS3.5 6.2 (2024d)
"""

from __future__ import annotations

import re
from datetime import date, time
from typing import Any

DCM = "http://dicom.nema.org/resources/ontology/DCM"
URI_SYSTEM = "urn:ietf:rfc:3986"
UID_SYSTEM = "urn:dicom:uid"
REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
GROUPS = ("ABC", "IDE", "SYL")
"""Codes of the three component groups of a person name: alphabetic, ideographic, phonetic."""

GENDER = {"M": "male", "F": "female", "O": "other"}
TIME = re.compile(r"(\d\d)(\d\d)?(\d\d)?(?:\.(\d{1,6}))?")
OFFSET = re.compile(r"([+-])(\d\d)(\d\d)")
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")
LARGEST = 2**31 - 1


def text(value: str | None) -> str | None:
    """A FHIR string, or None when nothing is left of it."""
    return UNPRINTABLE.sub(" ", value or "").strip() or None


def code(value: str | None) -> str | None:
    """A FHIR code: words with single spaces between them."""
    return " ".join((text(value) or "").split()) or None


def calendar_date(value: str | None) -> str | None:
    """A DA value as FHIR date; None when it is no date."""
    if value is None or len(value) != 8 or not value.isascii() or not value.isdecimal():
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:])).isoformat()
    except ValueError:
        return None


def date_time(day: str | None, clock: str | None, timezone: str | None) -> str | None:
    """DA and TM as FHIR dateTime. Only with an offset: FHIR has no time of day without one, and ours would be a
    guess.
    """
    found = calendar_date(day)
    match = TIME.fullmatch((clock or "").strip())
    offset = OFFSET.fullmatch((timezone or "").strip())
    if found is None or match is None or offset is None or int(offset[2]) > 14 or int(offset[3]) > 59:
        return found
    try:
        moment = time(int(match[1]), int(match[2] or 0), min(int(match[3] or 0), 59))
    except ValueError:
        return found
    return f"{found}T{moment.isoformat()}{offset[1]}{offset[2]}:{offset[3]}"


def unsigned(value: int | None) -> int | None:
    """A FHIR unsignedInt, or None when out of its range."""
    return value if value is not None and 0 <= value <= LARGEST else None


def human_names(value: str | None) -> list[dict[str, Any]]:
    """A PN value as HumanNames, one for each component group.

    Spec: PS3.5 6.2.1.2 (2024d): family, given, middle, prefix, suffix
    """
    names = []
    for group, representation in zip((value or "").split("="), GROUPS, strict=False):
        family, given, middle, prefix, suffix = ([text(part) for part in group.split("^")] + [None] * 5)[:5]
        name: dict[str, Any] = {}
        if representation != "ABC":
            name["extension"] = [{"url": REPRESENTATION, "valueCode": representation}]
        if family:
            name["family"] = family
        if givens := [part for part in (given, middle) if part]:
            name["given"] = givens
        if prefix:
            name["prefix"] = [prefix]
        if suffix:
            name["suffix"] = [suffix]
        if name.keys() - {"extension"}:
            names.append(name)
    return names


def display_name(value: str | None) -> str | None:
    """A PN value as people read it."""
    parts = ((value or "").split("=")[0].split("^") + [""] * 5)[:5]
    family, given, middle, prefix, suffix = parts
    return text(" ".join(part for part in (prefix, given, middle, family, suffix) if part.strip()))
