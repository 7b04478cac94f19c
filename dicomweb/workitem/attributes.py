"""The attributes of a Unified Procedure Step: who must give which, and when; what a search returns.

Attributes inside a sequence are named `Sequence.Attribute` and hold for each of its items.

Spec: PS3.4 Table CC.2.5-3, with 5.4.2.1 for the types (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Create(Enum):
    """What N-CREATE asks of an attribute; conditions of 1C and 2C are the sender's to know."""

    VALUE = "1"  # must be there with a value
    PRESENT = "2"  # must be there, may be empty; added empty where it is not
    SERVER = "2/1"  # may be empty or absent: the server gives it a value
    EMPTY = "empty"  # is created without a value
    OPTIONAL = "3"
    NEVER = "not allowed"


class Set(Enum):
    """What N-SET asks of an attribute that is in the request."""

    VALUE = "3/1"  # must have a value
    OPTIONAL = "3"  # may be empty
    NEVER = "not allowed"


class Final(Enum):
    """Whether an attribute must have a value in a final state. Spec: PS3.4 Table CC.2.5-1 (2024d)"""

    ALWAYS = "R"
    COMPLETED = "P"
    CANCELED = "X"
    OPEN = "O"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row. `returned`: a search returns it unasked (return key types 1 and 2; 1C and 2C where it is there)."""

    tag: str
    keyword: str
    vr: str
    create: Create
    set: Set
    final: Final = Final.OPEN
    returned: bool = True


_C, _S, _F = Create, Set, Final

ATTRIBUTES: tuple[Attribute, ...] = (
    # SOP Common Module
    Attribute("00080016", "SOPClassUID", "UI", _C.OPTIONAL, _S.NEVER),
    Attribute("00080018", "SOPInstanceUID", "UI", _C.OPTIONAL, _S.NEVER),
    # Unified Procedure Step Scheduled Procedure Information Module
    Attribute("00741200", "ScheduledProcedureStepPriority", "CS", _C.VALUE, _S.VALUE, _F.ALWAYS),
    Attribute("00404010", "ScheduledProcedureStepModificationDateTime", "DT", _C.SERVER, _S.NEVER, _F.ALWAYS, False),
    Attribute("00741204", "ProcedureStepLabel", "LO", _C.VALUE, _S.VALUE, _F.ALWAYS),
    Attribute("00741202", "WorklistLabel", "LO", _C.SERVER, _S.VALUE, _F.ALWAYS),
    Attribute("00741210", "ScheduledProcessingParametersSequence", "SQ", _C.PRESENT, _S.OPTIONAL),
    Attribute("00404025", "ScheduledStationNameCodeSequence", "SQ", _C.PRESENT, _S.OPTIONAL),
    Attribute("00404026", "ScheduledStationClassCodeSequence", "SQ", _C.PRESENT, _S.OPTIONAL),
    Attribute("00404027", "ScheduledStationGeographicLocationCodeSequence", "SQ", _C.PRESENT, _S.OPTIONAL),
    Attribute("00404034", "ScheduledHumanPerformersSequence", "SQ", _C.OPTIONAL, _S.OPTIONAL),
    Attribute("00404005", "ScheduledProcedureStepStartDateTime", "DT", _C.VALUE, _S.VALUE),
    Attribute("00404011", "ExpectedCompletionDateTime", "DT", _C.OPTIONAL, _S.VALUE),
    Attribute("00404008", "ScheduledProcedureStepExpirationDateTime", "DT", _C.OPTIONAL, _S.OPTIONAL, returned=False),
    Attribute("00404018", "ScheduledWorkitemCodeSequence", "SQ", _C.PRESENT, _S.VALUE),
    Attribute("00400400", "CommentsOnTheScheduledProcedureStep", "LT", _C.PRESENT, _S.VALUE, returned=False),
    Attribute("00404041", "InputReadinessState", "CS", _C.VALUE, _S.VALUE, _F.ALWAYS),
    Attribute("00404021", "InputInformationSequence", "SQ", _C.PRESENT, _S.OPTIONAL),
    Attribute("0020000D", "StudyInstanceUID", "UI", _C.PRESENT, _S.OPTIONAL),
    # Unified Procedure Step Relationship Module
    Attribute("00100010", "PatientName", "PN", _C.PRESENT, _S.NEVER),
    Attribute("00100020", "PatientID", "LO", _C.PRESENT, _S.NEVER),
    Attribute("00100021", "IssuerOfPatientID", "LO", _C.PRESENT, _S.NEVER),
    Attribute("00100024", "IssuerOfPatientIDQualifiersSequence", "SQ", _C.PRESENT, _S.NEVER),
    Attribute("00101002", "OtherPatientIDsSequence", "SQ", _C.PRESENT, _S.OPTIONAL),
    Attribute("00100030", "PatientBirthDate", "DA", _C.PRESENT, _S.NEVER),
    Attribute("00100040", "PatientSex", "CS", _C.PRESENT, _S.NEVER),
    Attribute("00380010", "AdmissionID", "LO", _C.PRESENT, _S.NEVER),
    Attribute("00380014", "IssuerOfAdmissionIDSequence", "SQ", _C.PRESENT, _S.NEVER),
    Attribute("00081080", "AdmittingDiagnosesDescription", "LO", _C.PRESENT, _S.NEVER),
    Attribute("00081084", "AdmittingDiagnosesCodeSequence", "SQ", _C.PRESENT, _S.NEVER),
    Attribute("0040A370", "ReferencedRequestSequence", "SQ", _C.PRESENT, _S.NEVER),
    Attribute("00741224", "ReplacedProcedureStepSequence", "SQ", _C.OPTIONAL, _S.NEVER, returned=False),
    # Patient Medical Module
    Attribute("00102000", "MedicalAlerts", "LO", _C.OPTIONAL, _S.OPTIONAL),
    Attribute("001021C0", "PregnancyStatus", "US", _C.OPTIONAL, _S.OPTIONAL),
    Attribute("00380050", "SpecialNeeds", "LO", _C.OPTIONAL, _S.OPTIONAL),
    # Unified Procedure Step Progress Information Module
    Attribute("00741000", "ProcedureStepState", "CS", _C.VALUE, _S.NEVER, _F.ALWAYS),
    Attribute("00741002", "ProcedureStepProgressInformationSequence", "SQ", _C.EMPTY, _S.OPTIONAL, _F.CANCELED),
    # Unified Procedure Step Performed Procedure Information Module
    Attribute(
        "00741216", "UnifiedProcedureStepPerformedProcedureSequence", "SQ", _C.EMPTY, _S.OPTIONAL, _F.COMPLETED, False
    ),
)

BY_TAG: Mapping[str, Attribute] = {attribute.tag: attribute for attribute in ATTRIBUTES}
RETURNED: frozenset[str] = frozenset({attribute.tag for attribute in ATTRIBUTES if attribute.returned} | {"00080005"})

PROGRESS, PERFORMED = "00741002", "00741216"
FINAL_ITEMS: Mapping[str, Mapping[str, Final]] = {
    PROGRESS: {"00404052": Final.CANCELED, "0074100E": Final.CANCELED},
    PERFORMED: {
        "00404028": Final.COMPLETED,
        "00404050": Final.COMPLETED,
        "00404019": Final.COMPLETED,
        "00404051": Final.COMPLETED,
    },
}
"""What the items of the two sequences that tell of the work must hold in a final state, by tag."""

OUTPUT_INFORMATION = "00404033"
"""Must be in the item of a completed step, and has no items where nothing relevant was made."""

ENUMERATED: Mapping[str, frozenset[str]] = {
    "00741200": frozenset({"HIGH", "MEDIUM", "LOW"}),
    "00404041": frozenset({"READY", "UNAVAILABLE", "INCOMPLETE"}),
}
"""Spec: PS3.3 Table C.30.1-1 (2024d)"""

TRANSACTION_UID = "00081195"
STATE = "00741000"
READINESS = "00404041"
STATION, PERFORMERS = "00404025", "00404034"
START = "00404005"
MODIFIED = "00404010"
LABEL = "00741202"
DEFAULT_LABEL = "WORKLIST"
"""The worklist of items whose sender names none."""

PUSH = "1.2.840.10008.5.1.4.34.6.1"
"""The SOP class of every item. Spec: PS3.4 CC.2.5.1.3.1, CC.3.1 (2024d)"""
