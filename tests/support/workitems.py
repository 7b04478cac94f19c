"""Workitems by hand, as DICOM JSON."""

from __future__ import annotations

from typing import Any

import httpx
from pydicom.datadict import dictionary_VR, tag_for_keyword

Members = dict[str, Any]
TRANSACTION = "1.2.826.0.1.3680043.10.1714.76.1"


def members(**attributes: Any) -> Members:
    """Members by keyword: a value, a list of them, items of a sequence as mappings made here; None is empty."""
    found = {}
    for keyword, given in attributes.items():
        number = tag_for_keyword(keyword)
        assert number is not None, keyword
        vr = dictionary_VR(number)
        values = given if isinstance(given, list) else [] if given is None else [given]
        if vr == "PN":
            values = [{"Alphabetic": value} if isinstance(value, str) else value for value in values]
        found[f"{number:08X}"] = {"vr": vr, "Value": values} if values else {"vr": vr}
    return found


def code(value: str, scheme: str = "99TEST", meaning: str = "a code") -> Members:
    """An item of a code sequence."""
    return members(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def workitem(**attributes: Any) -> Members:
    """A new workitem with all that Table CC.2.5-3 asks of its sender."""
    plain: dict[str, Any] = {
        "TransactionUID": None,
        "ScheduledProcedureStepPriority": "MEDIUM",
        "ProcedureStepLabel": "Segment the liver",
        "WorklistLabel": "AI",
        "ScheduledProcessingParametersSequence": None,
        "ScheduledStationNameCodeSequence": [code("SEG1")],
        "ScheduledStationClassCodeSequence": None,
        "ScheduledStationGeographicLocationCodeSequence": None,
        "ScheduledProcedureStepStartDateTime": "20260301083000",
        "ScheduledWorkitemCodeSequence": [code("110004", "DCM", "Image Processing")],
        "CommentsOnTheScheduledProcedureStep": None,
        "InputReadinessState": "READY",
        "InputInformationSequence": None,
        "StudyInstanceUID": "1.2.826.0.1.3680043.10.1714.77.2",
        "PatientName": "Müller^Änne",
        "PatientID": "mrn-1",
        "IssuerOfPatientID": None,
        "IssuerOfPatientIDQualifiersSequence": None,
        "OtherPatientIDsSequence": None,
        "PatientBirthDate": "19700102",
        "PatientSex": "F",
        "AdmissionID": None,
        "IssuerOfAdmissionIDSequence": None,
        "AdmittingDiagnosesDescription": None,
        "AdmittingDiagnosesCodeSequence": None,
        "ReferencedRequestSequence": [
            members(
                StudyInstanceUID="1.2.826.0.1.3680043.10.1714.77.2", AccessionNumber="A1", RequestedProcedureID="RP1"
            )
        ],
        "ProcedureStepState": "SCHEDULED",
        "ProcedureStepProgressInformationSequence": None,
        "UnifiedProcedureStepPerformedProcedureSequence": None,
    }
    return members(**(plain | attributes))


def performed(**attributes: Any) -> Members:
    """What tells of the work done, as a final state asks for it."""
    done: dict[str, Any] = {
        "PerformedStationNameCodeSequence": [code("SEG1")],
        "PerformedProcedureStepStartDateTime": "20260301083100",
        "PerformedWorkitemCodeSequence": [code("110004", "DCM", "Image Processing")],
        "PerformedProcedureStepEndDateTime": "20260301083200",
        "OutputInformationSequence": None,
    }
    return members(UnifiedProcedureStepPerformedProcedureSequence=[members(**(done | attributes))])


def state(name: str, transaction: str | None = TRANSACTION) -> Members:
    """The body of a change of state."""
    return members(ProcedureStepState=name, TransactionUID=transaction)


def said(answer: httpx.Response) -> str:
    """What a warning says, after the address of the service; empty without one."""
    name, _, text = answer.headers.get("warning", "").partition(": ")
    assert not text or name == f"299 {answer.url.scheme}://{answer.url.netloc.decode()}/dicomweb"
    return str(text)
