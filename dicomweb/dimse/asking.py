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
WORKLIST = "worklist"
"""What is asked for like a level, and is a service of its own."""
STEP = "ScheduledProcedureStepSequence"
TOLD: Mapping[str, Sequence[str]] = {
    "study": (
        "StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "StudyDate", "StudyTime",
        "StudyDescription", "AccessionNumber", "ModalitiesInStudy", "NumberOfStudyRelatedInstances",
    ),
    "series": (
        "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription",
        "NumberOfSeriesRelatedInstances",
    ),
    "image": ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
    WORKLIST: (
        "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyInstanceUID",
        "RequestedProcedureID", "RequestedProcedureDescription", "ReferringPhysicianName",
        *(f"{STEP}.{keyword}" for keyword in (
            "ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "Modality",
            "ScheduledPerformingPhysicianName", "ScheduledProcedureStepDescription", "ScheduledProcedureStepID",
        )),
    ),
}  # fmt: skip
"""What is always asked for."""


def question(level: str, keys: Sequence[str]) -> Members:
    """The identifier for keys `KEYWORD=VALUE`, or `KEYWORD` for what is only to be told. Raises Invalid.

    Those of the item of a sequence are `SEQUENCE.KEYWORD`.
    """
    if level not in TOLD:
        raise invalid(f"the level is one of {', '.join(TOLD)}")
    found: Members = {} if level == WORKLIST else {QUERY_RETRIEVE_LEVEL: Member("CS", [LEVELS[level].value])}
    for key in (*TOLD[level], *keys):
        path, _, value = key.partition("=")
        *sequences, keyword = path.split(".")
        holder = found
        for name in sequences:
            holder = holder.setdefault(_sequence(name.strip()), Member("SQ", [{}])).values[0]
        tag, vr = _element(keyword.strip())
        holder[tag] = Member(vr, value.split("\\") if value else ())
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


def _sequence(keyword: str) -> int:
    tag = dictionary.tag(keyword)
    if not tag or dictionary.public(tag) != "SQ":
        raise invalid(f"'{keyword[:64]}' is no keyword of a sequence")
    return tag


def _element(keyword: str) -> tuple[int, str]:
    tag = dictionary.tag(keyword)
    vr = (dictionary.public(tag) if tag else None) or ""
    if len(vr) != 2 or vr in BINARY or vr == "SQ":
        raise invalid(f"'{keyword[:64]}' is no keyword of an attribute that is matched by text")
    return tag, vr
