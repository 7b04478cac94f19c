"""Values of FHIR data types as DICOM attributes have them; healix_fhir/imaging/elements is the other way.

Spec: FHIR R4, hl7.org/fhir/R4/datatypes.html; PS3.5 6.2 (2024d)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from healix_fhir.imaging.described import SYSTEMS
from healix_fhir.imaging.elements import GENDER, GROUPS, REPRESENTATION, text

Json = Mapping[str, Any]

SEX = {gender: sex for sex, gender in GENDER.items()}
LONGEST_NAME = 64
"""Characters of a component group."""
NAME_DELIMITERS = re.compile(r"[\^=\\]+")
USES = ("official", "usual")
CODE_LONGEST = 16
DESIGNATORS = {system: scheme for scheme, system in reversed(tuple(SYSTEMS.items()))}
LOCAL = "99LOCAL"
"""The designator of codes whose system has none in DICOM. Spec: PS3.16 8 (2024d): 99 begins those of no authority"""
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def cut(value: object, longest: int) -> str:
    """A text of one line with at most so many characters, without what separates values."""
    return (text(str(value or "")) or "").replace("\\", "/")[:longest].strip()


def fitting(value: object, longest: int) -> str:
    """An identifier, where it is of so many characters at most: the beginning of one would be another's."""
    whole = cut(value, longest + 1)
    return whole if len(whole) <= longest else ""


def person_name(names: Sequence[Json]) -> str:
    """HumanNames as one PN value: the first of each representation, official ones before usual and others.

    Spec: PS3.5 6.2.1 (2024d)
    """
    ranked = sorted(names, key=lambda name: USES.index(name.get("use")) if name.get("use") in USES else len(USES))
    groups: dict[str, str] = {}
    for name in ranked:
        if name.get("use") != "old" and (written := _components(name)):
            groups.setdefault(_representation(name, written), written)
    return "=".join(groups.get(group, "") for group in GROUPS).rstrip("=")


def _components(name: Json) -> str:
    given = list(name.get("given", ()))
    parts = [name.get("family") or "", *given[:1], " ".join(given[1:])]
    if not any(parts):
        parts = [name.get("text") or ""]
    parts = [*parts, *([""] * (3 - len(parts))), " ".join(name.get("prefix", ())), " ".join(name.get("suffix", ()))]
    return "^".join(NAME_DELIMITERS.sub(" ", cut(part, LONGEST_NAME)) for part in parts)[:LONGEST_NAME].rstrip("^")


def _representation(name: Json, written: str) -> str:
    """The group that a name says, else the one of its script."""
    for extension in name.get("extension", ()):
        if extension.get("url") == REPRESENTATION and extension.get("valueCode") in GROUPS:
            return str(extension["valueCode"])
    scripts = {unicodedata.name(char, "").split(" ")[0] for char in written if char.isalpha()}
    if scripts & {"CJK", "HANGUL"}:
        return "IDE"
    return "SYL" if scripts & {"HIRAGANA", "KATAKANA"} else "ABC"


def code_item(coding: Json, meaning: str = "") -> dict[str, str] | None:
    """A Coding as the attributes of the Code Sequence Macro by keyword; None where it has no code.

    Spec: PS3.3 8.8 (2024d)
    """
    code = cut(coding.get("code"), 1024)
    if not code:
        return None
    keyword = "CodeValue" if len(code) <= CODE_LONGEST else "URNCodeValue" if _is_urn(code) else "LongCodeValue"
    item = {keyword: code, "CodingSchemeDesignator": DESIGNATORS.get(coding.get("system", ""), LOCAL)}
    if version := fitting(coding.get("version"), 16):
        item["CodingSchemeVersion"] = version
    item["CodeMeaning"] = cut(coding.get("display") or meaning or code, 64)
    return item


def _is_urn(code: str) -> bool:
    return code.startswith(("urn:", "http://", "https://"))


def codings(*concepts: Json | None) -> list[Json]:
    """All Codings of CodeableConcepts."""
    return [coding for concept in concepts for coding in (concept or {}).get("coding", ())]


def said(concept: Json | None) -> str:
    """What a CodeableConcept says."""
    if concept is None:
        return ""
    return str(concept.get("text") or next((one["display"] for one in codings(concept) if one.get("display")), ""))


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, and where it is known the time of day and the offset from UTC, as DICOM writes them."""

    date: str
    time: str = "000000"
    zone: str = ""


def moment(written: object, zone: tzinfo | None) -> Moment | None:
    """A FHIR date, dateTime or instant, on the clocks of `zone`, else as it is written; None of what is no whole date.

    A date without a time of day is its beginning.
    """
    value = written if isinstance(written, str) else ""
    if DATE.fullmatch(value):
        return Moment(_digits(value))
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    if found.tzinfo is None or not DATE.match(value):
        return None
    local = found if zone is None else found.astimezone(zone)
    return Moment(local.date().isoformat().replace("-", ""), local.strftime("%H%M%S"), local.strftime("%z")[:5])


def _digits(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat().replace("-", "")
    except ValueError:
        return ""


def of_types(identifiers: Iterable[Json], *types: str) -> str:
    """The value of the identifier that has the first of these types of v2-0203; empty where none has."""
    known = list(identifiers)
    for wanted in types:
        for one in known:
            if any(coding.get("code") == wanted for coding in codings(one.get("type"))) and one.get("value"):
                return str(one["value"])
    return ""
