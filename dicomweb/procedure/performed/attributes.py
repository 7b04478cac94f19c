"""The attributes of a Modality Performed Procedure Step: who must give which, and when.

Attributes inside a sequence are named by the tags from the outside in, with dots, and hold for each of its items. What
the items of code sequences hold is not looked at: which of their attributes must be there depends on the code.

Spec: PS3.4 Table F.7.2-1, with 5.4.2.1 for the types (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STATUS = "00400252"
SCHEDULED = "00400270"
SERIES = "00400340"
STUDY_UID = f"{SCHEDULED}.0020000D"
DISCONTINUATION = "00400281"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row: the types for the SCU in N-CREATE and N-SET (`1`, `2`, `3`; empty: not allowed), and that of the final
    state where it is another.
    """

    path: str
    keyword: str
    create: str
    set: str = ""
    final: str = ""


ATTRIBUTES: tuple[Attribute, ...] = (
    # Performed Procedure Step Relationship
    Attribute(SCHEDULED, "ScheduledStepAttributesSequence", "1"),
    Attribute(STUDY_UID, "StudyInstanceUID", "1"),
    Attribute(f"{SCHEDULED}.00081110", "ReferencedStudySequence", "2"),
    Attribute(f"{SCHEDULED}.00081110.00081150", "ReferencedSOPClassUID", "1"),
    Attribute(f"{SCHEDULED}.00081110.00081155", "ReferencedSOPInstanceUID", "1"),
    Attribute(f"{SCHEDULED}.00080050", "AccessionNumber", "2"),
    Attribute(f"{SCHEDULED}.00401001", "RequestedProcedureID", "2"),
    Attribute(f"{SCHEDULED}.00321060", "RequestedProcedureDescription", "2"),
    Attribute(f"{SCHEDULED}.00400009", "ScheduledProcedureStepID", "2"),
    Attribute(f"{SCHEDULED}.00400007", "ScheduledProcedureStepDescription", "2"),
    Attribute(f"{SCHEDULED}.00400008", "ScheduledProtocolCodeSequence", "2"),
    Attribute("00100010", "PatientName", "2"),
    Attribute("00100020", "PatientID", "2"),
    Attribute("00100021", "IssuerOfPatientID", "3"),
    Attribute("00100024", "IssuerOfPatientIDQualifiersSequence", "3"),
    Attribute("00101002", "OtherPatientIDsSequence", "3"),
    Attribute("00100030", "PatientBirthDate", "2"),
    Attribute("00100040", "PatientSex", "2"),
    Attribute("00081120", "ReferencedPatientSequence", "2"),
    Attribute("00081120.00081150", "ReferencedSOPClassUID", "1"),
    Attribute("00081120.00081155", "ReferencedSOPInstanceUID", "1"),
    Attribute("00380010", "AdmissionID", "3"),
    Attribute("00380014", "IssuerOfAdmissionIDSequence", "3"),
    Attribute("00380060", "ServiceEpisodeID", "3"),
    Attribute("00380064", "IssuerOfServiceEpisodeIDSequence", "3"),
    Attribute("00380062", "ServiceEpisodeDescription", "3"),
    # Performed Procedure Step Information
    Attribute("00400253", "PerformedProcedureStepID", "1"),
    Attribute("00400241", "PerformedStationAETitle", "1"),
    Attribute("00400242", "PerformedStationName", "2"),
    Attribute("00400243", "PerformedLocation", "2"),
    Attribute("00400244", "PerformedProcedureStepStartDate", "1"),
    Attribute("00400245", "PerformedProcedureStepStartTime", "1"),
    Attribute(STATUS, "PerformedProcedureStepStatus", "1", "3"),
    Attribute("00400254", "PerformedProcedureStepDescription", "2", "3"),
    Attribute("00400255", "PerformedProcedureTypeDescription", "2", "3"),
    Attribute("00081032", "ProcedureCodeSequence", "2", "3"),
    Attribute("00401012", "ReasonForPerformedProcedureCodeSequence", "3", "3"),
    Attribute("00400250", "PerformedProcedureStepEndDate", "2", "3", "1"),
    Attribute("00400251", "PerformedProcedureStepEndTime", "2", "3", "1"),
    Attribute("00400280", "CommentsOnThePerformedProcedureStep", "3", "3"),
    Attribute(DISCONTINUATION, "PerformedProcedureStepDiscontinuationReasonCodeSequence", "3", "3"),
    # Image Acquisition Results
    Attribute("00080060", "Modality", "1"),
    Attribute("00200010", "StudyID", "2"),
    Attribute("00400260", "PerformedProtocolCodeSequence", "2", "3"),
    Attribute(SERIES, "PerformedSeriesSequence", "2", "3", "1"),
    Attribute(f"{SERIES}.00081050", "PerformingPhysicianName", "2", "2"),
    Attribute(f"{SERIES}.00181030", "ProtocolName", "1", "1"),
    Attribute(f"{SERIES}.00081070", "OperatorsName", "2", "2"),
    Attribute(f"{SERIES}.0020000E", "SeriesInstanceUID", "1", "1"),
    Attribute(f"{SERIES}.0008103E", "SeriesDescription", "2", "2"),
    Attribute(f"{SERIES}.00080054", "RetrieveAETitle", "2", "2"),
    Attribute(f"{SERIES}.00081140", "ReferencedImageSequence", "2", "2"),
    Attribute(f"{SERIES}.00081140.00081150", "ReferencedSOPClassUID", "1", "1"),
    Attribute(f"{SERIES}.00081140.00081155", "ReferencedSOPInstanceUID", "1", "1"),
    Attribute(f"{SERIES}.00400220", "ReferencedNonImageCompositeSOPInstanceSequence", "2", "2"),
    Attribute(f"{SERIES}.00400220.00081150", "ReferencedSOPClassUID", "1", "1"),
    Attribute(f"{SERIES}.00400220.00081155", "ReferencedSOPInstanceUID", "1", "1"),
)

BY_PATH: Mapping[str, Attribute] = {attribute.path: attribute for attribute in ATTRIBUTES}
