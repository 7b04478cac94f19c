"""The attributes of a worklist item: which are matched on, and which an answer has.

Attributes inside a sequence are named by the tags from the outside in, with dots. All of those here are matched on, the
optional ones too, except where it says otherwise.

Spec: PS3.4 Tables K.6-1 and K.6-1a (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

STEP = "00400100"
STATIONS = f"{STEP}.00400001"
START_DATE, START_TIME = f"{STEP}.00400002", f"{STEP}.00400003"
MODALITY = f"{STEP}.00080060"
STEP_ID, STATUS = f"{STEP}.00400009", f"{STEP}.00400020"
PATIENT_ID, ISSUER = "00100020", "00100021"
ACCESSION, STUDY_UID = "00080050", "0020000D"
CHARACTER_SET, TIMEZONE = "00080005", "00080201"
UNMATCHED = frozenset({CHARACTER_SET, TIMEZONE})
"""May be in a request, and are neither matched nor asked for. Spec: PS3.4 K.2.2.2 and K.4.1.1.3.1 (2024d)"""


class Key(Enum):
    """Matching key types."""

    REQUIRED = "R"
    OPTIONAL = "O"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row: the matching key type, and the return key type (`1`, `1C`, `2`, `2C` or `3`)."""

    path: str
    keyword: str
    key: Key
    returned: str


_R, _O = Key.REQUIRED, Key.OPTIONAL

_CODE = (("00080100", "CodeValue"), ("00080102", "CodingSchemeDesignator"), ("00080103", "CodingSchemeVersion"),
         ("00080104", "CodeMeaning"), ("00080119", "LongCodeValue"), ("00080120", "URNCodeValue"))  # fmt: skip
"""The Code Sequence Macro. Spec: PS3.3 8.8 (2024d)"""


def _codes(sequence: str) -> tuple[Attribute, ...]:
    return tuple(Attribute(f"{sequence}.{tag}", keyword, _O, "1C") for tag, keyword in _CODE)


ATTRIBUTES: tuple[Attribute, ...] = (
    # Scheduled Procedure Step
    Attribute(STEP, "ScheduledProcedureStepSequence", _R, "1"),
    Attribute(STATIONS, "ScheduledStationAETitle", _R, "1"),
    Attribute(START_DATE, "ScheduledProcedureStepStartDate", _R, "1"),
    Attribute(START_TIME, "ScheduledProcedureStepStartTime", _R, "1"),
    Attribute(MODALITY, "Modality", _R, "1"),
    Attribute(f"{STEP}.00400006", "ScheduledPerformingPhysicianName", _R, "2"),
    Attribute(f"{STEP}.00400007", "ScheduledProcedureStepDescription", _O, "1C"),
    Attribute(f"{STEP}.00400008", "ScheduledProtocolCodeSequence", _O, "1C"),
    *_codes(f"{STEP}.00400008"),
    Attribute(f"{STEP}.00400009", "ScheduledProcedureStepID", _O, "1"),
    Attribute(f"{STEP}.00400010", "ScheduledStationName", _O, "2"),
    Attribute(f"{STEP}.00400011", "ScheduledProcedureStepLocation", _O, "2"),
    Attribute(f"{STEP}.00400012", "PreMedication", _O, "2C"),
    Attribute(STATUS, "ScheduledProcedureStepStatus", _O, "3"),
    Attribute(f"{STEP}.00400400", "CommentsOnTheScheduledProcedureStep", _O, "3"),
    Attribute(f"{STEP}.00321070", "RequestedContrastAgent", _O, "2C"),
    # Requested Procedure
    Attribute("00401001", "RequestedProcedureID", _O, "1"),
    Attribute("00321060", "RequestedProcedureDescription", _O, "1C"),
    Attribute("00321064", "RequestedProcedureCodeSequence", _O, "1C"),
    *_codes("00321064"),
    Attribute(STUDY_UID, "StudyInstanceUID", _O, "1"),
    Attribute("00081110", "ReferencedStudySequence", _O, "2"),
    Attribute("00081110.00081150", "ReferencedSOPClassUID", _O, "1"),
    Attribute("00081110.00081155", "ReferencedSOPInstanceUID", _O, "1"),
    Attribute("00401002", "ReasonForTheRequestedProcedure", _O, "3"),
    Attribute("0040100A", "ReasonForRequestedProcedureCodeSequence", _O, "3"),
    *_codes("0040100A"),
    Attribute("00401003", "RequestedProcedurePriority", _O, "2"),
    Attribute("00401004", "PatientTransportArrangements", _O, "2"),
    Attribute("00401400", "RequestedProcedureComments", _O, "3"),
    # Imaging Service Request
    Attribute(ACCESSION, "AccessionNumber", _O, "2"),
    Attribute("00080051", "IssuerOfAccessionNumberSequence", _O, "3"),
    Attribute("00080051.00400032", "UniversalEntityID", _O, "1C"),
    Attribute("00080051.00400033", "UniversalEntityIDType", _O, "1C"),
    Attribute("00321032", "RequestingPhysician", _O, "2"),
    Attribute("00321033", "RequestingService", _O, "3"),
    Attribute("00080090", "ReferringPhysicianName", _O, "2"),
    Attribute("00402016", "PlacerOrderNumberImagingServiceRequest", _O, "3"),
    Attribute("00402017", "FillerOrderNumberImagingServiceRequest", _O, "3"),
    # Visit Identification, Status and Relationship
    Attribute("00380010", "AdmissionID", _O, "2"),
    Attribute("00380300", "CurrentPatientLocation", _O, "2"),
    Attribute("00081120", "ReferencedPatientSequence", _O, "2"),
    Attribute("00081120.00081150", "ReferencedSOPClassUID", _O, "1"),
    Attribute("00081120.00081155", "ReferencedSOPInstanceUID", _O, "1"),
    # Patient Identification, Demographic and Medical
    Attribute("00100010", "PatientName", _R, "1"),
    Attribute(PATIENT_ID, "PatientID", _R, "1"),
    Attribute(ISSUER, "IssuerOfPatientID", _O, "3"),
    Attribute("00100030", "PatientBirthDate", _O, "2"),
    Attribute("00100040", "PatientSex", _O, "2"),
    Attribute("00101030", "PatientWeight", _O, "2"),
    Attribute("00101020", "PatientSize", _O, "3"),
    Attribute("00403001", "ConfidentialityConstraintOnPatientDataDescription", _O, "2"),
    Attribute("00380500", "PatientState", _O, "2"),
    Attribute("001021C0", "PregnancyStatus", _O, "2"),
    Attribute("00102000", "MedicalAlerts", _O, "2"),
    Attribute("00102110", "Allergies", _O, "2"),
    Attribute("00380050", "SpecialNeeds", _O, "2"),
)

BY_PATH: Mapping[str, Attribute] = {attribute.path: attribute for attribute in ATTRIBUTES}
