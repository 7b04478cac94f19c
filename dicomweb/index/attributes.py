"""The attributes that are indexed: which table and column holds each, how it is matched, when it is returned.

Spec: PS3.18 Table 10.6.1-5 (matching) and Tables 10.6.3-3 to 10.6.3-5 (returned), PS3.4 C.6.2.1 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

import msgspec

from dicomweb.index.regions import READ, REGIONS


class Level(IntEnum):
    """The levels of the information model."""

    STUDY = 1
    SERIES = 2
    INSTANCE = 3


class Matching(Enum):
    """How values of a key are compared (PS3.4 C.2.2.2)."""

    UID = "uid"  # single value or list
    TEXT = "text"  # single value or wildcard
    NAME = "name"  # the same without regard to case and accents, in every component group
    DATE = "date"  # single value or range
    ZONE = "zone"  # not compared: the zone that dates and times of the query are in
    NUMBER = "number"
    MEMBER = "member"  # single value, wildcard or list, of a column that holds several
    NONE = "none"  # returned only


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row of the table. `default`: returned without being asked for. `computed`: kept by the server, not by the
    sender.

    `within` is the sequence that the attribute is in. `code` is that of a further attribute, which has no column.
    """

    level: Level
    tag: int
    keyword: str
    vr: str
    column: str
    matching: Matching
    default: bool = True
    computed: bool = False
    within: str = ""
    code: int = 0

    @property
    def key(self) -> str:
        """The tag as DICOM JSON writes it."""
        return f"{self.tag:08X}"


_S, _E, _I = Level.STUDY, Level.SERIES, Level.INSTANCE
_M = Matching

ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(_S, 0x00080020, "StudyDate", "DA", "study_date", _M.DATE),
    Attribute(_S, 0x00080030, "StudyTime", "TM", "study_time", _M.DATE),
    Attribute(_S, 0x00080050, "AccessionNumber", "SH", "accession_number", _M.TEXT),
    Attribute(_S, 0x00080061, "ModalitiesInStudy", "CS", "modalities", _M.MEMBER, computed=True),
    Attribute(_S, 0x00080062, "SOPClassesInStudy", "UI", "sop_classes", _M.MEMBER, default=False, computed=True),
    Attribute(_S, 0x00080063, REGIONS, "SQ", "regions", _M.NONE, default=False, computed=True),
    Attribute(
        _S, 0x00080100, "CodeValue", "SH", "region_code", _M.MEMBER,
        default=False, computed=True, within=REGIONS,
    ),
    Attribute(
        _S, 0x00080102, "CodingSchemeDesignator", "SH", "region_scheme", _M.MEMBER,
        default=False, computed=True, within=REGIONS,
    ),
    Attribute(_S, 0x00080080, "InstitutionName", "LO", "institution_name", _M.TEXT, default=False),
    Attribute(_S, 0x00080090, "ReferringPhysicianName", "PN", "referring_physician", _M.NAME),
    Attribute(_S, 0x00080201, "TimezoneOffsetFromUTC", "SH", "timezone_offset", _M.ZONE),
    Attribute(_S, 0x00081030, "StudyDescription", "LO", "study_description", _M.TEXT),
    Attribute(_S, 0x00100010, "PatientName", "PN", "patient_name", _M.NAME),
    Attribute(_S, 0x00100020, "PatientID", "LO", "patient_id", _M.TEXT),
    Attribute(_S, 0x00100021, "IssuerOfPatientID", "LO", "patient_id_issuer", _M.TEXT, default=False),
    Attribute(_S, 0x00100030, "PatientBirthDate", "DA", "patient_birth_date", _M.DATE),
    Attribute(_S, 0x00100040, "PatientSex", "CS", "patient_sex", _M.TEXT),
    Attribute(_S, 0x0020000D, "StudyInstanceUID", "UI", "study_uid", _M.UID),
    Attribute(_S, 0x00200010, "StudyID", "SH", "study_id", _M.TEXT),
    Attribute(_S, 0x00201206, "NumberOfStudyRelatedSeries", "IS", "series_count", _M.NUMBER, computed=True),
    Attribute(_S, 0x00201208, "NumberOfStudyRelatedInstances", "IS", "instance_count", _M.NUMBER, computed=True),
    Attribute(_E, 0x00080021, "SeriesDate", "DA", "series_date", _M.DATE, default=False),
    Attribute(_E, 0x00080031, "SeriesTime", "TM", "series_time", _M.DATE, default=False),
    Attribute(_E, 0x00080060, "Modality", "CS", "modality", _M.TEXT),
    Attribute(_E, 0x00080070, "Manufacturer", "LO", "manufacturer", _M.TEXT, default=False),
    Attribute(_E, 0x0008103E, "SeriesDescription", "LO", "series_description", _M.TEXT),
    Attribute(_E, 0x00081010, "StationName", "SH", "station_name", _M.TEXT, default=False),
    Attribute(_E, 0x00180015, "BodyPartExamined", "CS", "body_part", _M.TEXT, default=False),
    Attribute(_E, 0x0020000E, "SeriesInstanceUID", "UI", "series_uid", _M.UID),
    Attribute(_E, 0x00200011, "SeriesNumber", "IS", "series_number", _M.NUMBER),
    Attribute(_E, 0x00200060, "Laterality", "CS", "laterality", _M.TEXT, default=False),
    Attribute(_E, 0x00201209, "NumberOfSeriesRelatedInstances", "IS", "instances_in_series", _M.NUMBER, computed=True),
    Attribute(_E, 0x00400244, "PerformedProcedureStepStartDate", "DA", "performed_date", _M.DATE),
    Attribute(_E, 0x00400245, "PerformedProcedureStepStartTime", "TM", "performed_time", _M.DATE),
    Attribute(_E, 0x00400275, "RequestAttributesSequence", "SQ", "request_attributes", _M.NONE),
    Attribute(
        _E, 0x00400009, "ScheduledProcedureStepID", "SH", "scheduled_step_ids", _M.MEMBER,
        computed=True, within="RequestAttributesSequence",
    ),
    Attribute(
        _E, 0x00401001, "RequestedProcedureID", "SH", "requested_procedure_ids", _M.MEMBER,
        computed=True, within="RequestAttributesSequence",
    ),
    Attribute(_I, 0x00080012, "InstanceCreationDate", "DA", "creation_date", _M.DATE, default=False),
    Attribute(_I, 0x00080013, "InstanceCreationTime", "TM", "creation_time", _M.DATE, default=False),
    Attribute(_I, 0x00080016, "SOPClassUID", "UI", "sop_class_uid", _M.UID),
    Attribute(_I, 0x00080018, "SOPInstanceUID", "UI", "instance_uid", _M.UID),
    Attribute(_I, 0x00080022, "AcquisitionDate", "DA", "acquisition_date", _M.DATE, default=False),
    Attribute(_I, 0x00080023, "ContentDate", "DA", "content_date", _M.DATE, default=False),
    Attribute(_I, 0x00080033, "ContentTime", "TM", "content_time", _M.DATE, default=False),
    Attribute(_I, 0x00083002, "AvailableTransferSyntaxUID", "UI", "transfer_syntax", _M.UID, computed=True),
    Attribute(_I, 0x00200012, "AcquisitionNumber", "IS", "acquisition_number", _M.NUMBER, default=False),
    Attribute(_I, 0x00200013, "InstanceNumber", "IS", "instance_number", _M.NUMBER),
    Attribute(_I, 0x00280008, "NumberOfFrames", "IS", "frame_count", _M.NUMBER),
    Attribute(_I, 0x00280010, "Rows", "US", "row_count", _M.NUMBER),
    Attribute(_I, 0x00280011, "Columns", "US", "column_count", _M.NUMBER),
    Attribute(_I, 0x00280100, "BitsAllocated", "US", "bits_allocated", _M.NUMBER),
)  # fmt: skip

BY_KEYWORD: Mapping[str, Attribute] = {
    f"{attribute.within}.{attribute.keyword}" if attribute.within else attribute.keyword: attribute
    for attribute in ATTRIBUTES
}
"""Attributes by keyword; those in a sequence as `Sequence.Attribute`."""

BY_KEY: Mapping[str, Attribute] = {attribute.key: attribute for attribute in ATTRIBUTES}
"""Attributes by their tag."""

SENT: tuple[Attribute, ...] = tuple(attribute for attribute in ATTRIBUTES if not attribute.computed)
"""Those whose value comes from the object itself."""

INDEXED: frozenset[int] = frozenset(attribute.tag for attribute in SENT) | READ
"""The attributes of an object from which its rows are made."""

TIME_OF: Mapping[str, str] = {
    "StudyDate": "StudyTime",
    "SeriesDate": "SeriesTime",
    "PerformedProcedureStepStartDate": "PerformedProcedureStepStartTime",
    "InstanceCreationDate": "InstanceCreationTime",
    "ContentDate": "ContentTime",
}
"""The times that are one moment with their dates. Spec: PS3.4 C.2.2.2.5 (2024d)"""

GRAMS: frozenset[str] = frozenset(
    {
        "accession_number", "institution_name", "patient_id", "patient_name", "referring_physician",
        "study_description", "study_id", "series_description",
    }
)  # fmt: skip
"""Columns whose texts are found by what they contain. See dicomweb/index/grams.py"""

RETRIEVE_URL = "00081190"
INSTANCE_AVAILABILITY = "00080056"
NUMERIC = frozenset({"IS", "US"})


def values(attribute: bytes | None) -> list[Any]:
    """The values of an encoded DICOM JSON attribute; none when it is absent or empty."""
    if attribute is None:
        return []
    decoded = msgspec.json.decode(attribute)
    return [value for value in decoded.get("Value", ()) if value is not None]
