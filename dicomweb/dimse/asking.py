"""What an operator asks a peer for, in keywords, and its answers in keywords.

Spec: PS3.4 C.4.1.1.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dicomweb.dicomjson import dictionary
from dicomweb.dicomjson.model import Member, Members
from dicomweb.dicomjson.read_json import BINARY
from dicomweb.dimse.identifier import CHARACTER_SET
from dicomweb.dimse.query_retrieve import QUERY_RETRIEVE_LEVEL, Entity
from healix_fhir.kernel.errors import invalid

LEVELS = {"study": Entity.STUDY, "series": Entity.SERIES, "image": Entity.IMAGE}
TOLD: Mapping[Entity, Sequence[str]] = {
    Entity.STUDY: (
        "StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "StudyDate", "StudyTime",
        "StudyDescription", "AccessionNumber", "ModalitiesInStudy", "NumberOfStudyRelatedInstances",
    ),
    Entity.SERIES: (
        "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription",
        "NumberOfSeriesRelatedInstances",
    ),
    Entity.IMAGE: ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
}  # fmt: skip
"""What is always asked for."""


def question(level: str, keys: Sequence[str]) -> Members:
    """The identifier for keys `KEYWORD=VALUE`, or `KEYWORD` for what is only to be told. Raises Invalid."""
    if level not in LEVELS:
        raise invalid(f"the level is one of {', '.join(LEVELS)}")
    entity = LEVELS[level]
    found: Members = {QUERY_RETRIEVE_LEVEL: Member("CS", [entity.value])}
    for key in (*TOLD[entity], *keys):
        keyword, _, value = key.partition("=")
        tag, vr = _element(keyword.strip())
        found[tag] = Member(vr, value.split("\\") if value else ())
    return found


def told(members: Members) -> dict[str, Any]:
    """A match by keywords; what has several values as a list."""
    return {
        dictionary.keyword(tag) or f"{tag:08X}": _told(member)
        for tag, member in sorted(members.items())
        if tag != CHARACTER_SET and member.octets is None
    }


def _told(member: Member) -> Any:
    values = [told(value) if member.vr == "SQ" else value for value in member.values]
    return values if len(values) > 1 or member.vr == "SQ" else (values or [None])[0]


def _element(keyword: str) -> tuple[int, str]:
    tag = dictionary.tag(keyword)
    vr = (dictionary.public(tag) if tag else None) or ""
    if len(vr) != 2 or vr in BINARY or vr == "SQ":
        raise invalid(f"'{keyword[:64]}' is no keyword of an attribute that is matched by text")
    return tag, vr
