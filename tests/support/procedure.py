"""Worklist items, performed procedure steps and orders by hand."""

from __future__ import annotations

from typing import Any

from tests.support.workitems import Members, code, members

STUDY = "1.2.826.0.1.3680043.10.1714.90.1"
SERIES = "1.2.826.0.1.3680043.10.1714.90.2"
IMAGE = "1.2.826.0.1.3680043.10.1714.90.3"
AE_TITLE = "urn:healix:dicom:ae-title"
SNOMED = "http://snomed.info/sct"
DCM = "http://dicom.nema.org/resources/ontology/DCM"


def worklist_item(step: dict[str, Any] | None = None, **attributes: Any) -> Members:
    """An item of the modality worklist; `step` has attributes of its scheduled step."""
    own = {
        "ScheduledStationAETitle": "CT1",
        "ScheduledProcedureStepStartDate": "20260301",
        "ScheduledProcedureStepStartTime": "083000",
        "Modality": "CT",
        "ScheduledPerformingPhysicianName": "Röntgen^Anna",
        "ScheduledProcedureStepDescription": "CT of the head",
        "ScheduledProtocolCodeSequence": [code("303653007", "SCT", "CT of head")],
        "ScheduledProcedureStepStatus": "SCHEDULED",
        "ScheduledProcedureStepID": "S1",
    } | (step or {})
    plain: dict[str, Any] = {
        "PatientName": {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"},
        "PatientID": "mrn-1",
        "PatientBirthDate": "19700102",
        "AccessionNumber": "A1",
        "StudyInstanceUID": STUDY,
        "RequestedProcedureID": "P1",
        "RequestedProcedureDescription": "Head",
        "ScheduledProcedureStepSequence": [members(**own)],
    }
    return members(**(plain | attributes))


def request(step: dict[str, Any] | None = None, **keys: Any) -> Members:
    """The keys of a worklist query; `step` has those of the scheduled step."""
    return members(**({"ScheduledProcedureStepSequence": [members(**step)]} if step is not None else {}), **keys)


def begun(item: dict[str, Any] | None = None, **attributes: Any) -> Members:
    """The attribute list of an N-CREATE with all that Table F.7.2-1 asks for; `item` is about the scheduled step."""
    scheduled = {
        "StudyInstanceUID": STUDY,
        "ReferencedStudySequence": None,
        "AccessionNumber": "A1",
        "RequestedProcedureID": "P1",
        "RequestedProcedureDescription": "Head",
        "ScheduledProcedureStepID": "S1",
        "ScheduledProcedureStepDescription": "CT of the head",
        "ScheduledProtocolCodeSequence": None,
    } | (item or {})
    plain: dict[str, Any] = {
        "ScheduledStepAttributesSequence": [members(**scheduled)],
        "PatientName": "Yamada^Tarou",
        "PatientID": "mrn-1",
        "PatientBirthDate": "19700102",
        "PatientSex": "M",
        "ReferencedPatientSequence": None,
        "PerformedProcedureStepID": "PPS1",
        "PerformedStationAETitle": "CT1",
        "PerformedStationName": "Scanner",
        "PerformedLocation": "Room 1",
        "PerformedProcedureStepStartDate": "20260301",
        "PerformedProcedureStepStartTime": "084500",
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "PerformedProcedureStepDescription": "CT of the head",
        "PerformedProcedureTypeDescription": None,
        "ProcedureCodeSequence": [code("303653007", "SCT", "CT of head")],
        "PerformedProcedureStepEndDate": None,
        "PerformedProcedureStepEndTime": None,
        "PerformedProcedureStepDiscontinuationReasonCodeSequence": None,
        "Modality": "CT",
        "StudyID": "1",
        "PerformedProtocolCodeSequence": None,
        "PerformedSeriesSequence": None,
    }
    return members(**(plain | attributes))


def series(**attributes: Any) -> Members:
    """An item of the Performed Series Sequence."""
    image = members(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.2", ReferencedSOPInstanceUID=IMAGE)
    plain: dict[str, Any] = {
        "PerformingPhysicianName": "Röntgen^Anna",
        "ProtocolName": "Head",
        "OperatorsName": "Curie^Irène",
        "SeriesInstanceUID": SERIES,
        "SeriesDescription": None,
        "RetrieveAETitle": None,
        "ReferencedImageSequence": [image],
        "ReferencedNonImageCompositeSOPInstanceSequence": None,
    }
    return members(**(plain | attributes))


def ended(state: str = "COMPLETED", **attributes: Any) -> Members:
    """The modification list of the N-SET that ends a step."""
    plain: dict[str, Any] = {
        "PerformedProcedureStepStatus": state,
        "PerformedProcedureStepEndDate": "20260301",
        "PerformedProcedureStepEndTime": "091500",
        "PerformedSeriesSequence": [series()],
    }
    return members(**(plain | attributes))


def order(id_: str = "o1", **elements: Any) -> dict[str, Any]:
    """A ServiceRequest for a CT of the head of Patient/p."""
    plain: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "id": id_,
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": SNOMED, "code": "363679005"}]}],
        "code": {"coding": [{"system": SNOMED, "code": "303653007", "display": "CT of head"}], "text": "CT head"},
        "orderDetail": [{"coding": [{"system": DCM, "code": "CT"}]}],
        "subject": {"reference": "Patient/p"},
        "occurrenceDateTime": "2026-03-01T08:30:00+01:00",
    }
    return plain | elements


def patient(id_: str = "p", **elements: Any) -> dict[str, Any]:
    """A Patient with a record number."""
    plain: dict[str, Any] = {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [{"system": "urn:oid:1.2.3", "value": "mrn-1"}],
        "name": [{"family": "Müller", "given": ["Änne", "Maria"], "prefix": ["Dr."]}],
        "gender": "female",
        "birthDate": "1970-01-02",
    }
    return plain | elements
