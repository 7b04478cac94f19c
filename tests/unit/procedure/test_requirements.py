"""What a performed procedure step must have when it begins, goes on, and ends."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.procedure.performed.requirements import State, changed, created
from dicomweb.procedure.performed.scheduled import Candidate, Meant, chosen
from dicomweb.procedure.performed.standing import standing
from dicomweb.procedure.performed.status import Failure, RefusedError
from dicomweb.procedure.scheduled.states import Performed, resumed
from dicomweb.procedure.scheduled.states import State as Scheduled
from tests.support.procedure import begun, ended, series
from tests.support.workitems import Members, code, members

MPPS = "DICOM PS3.4 F.7.2.1.1"
TYPE_1 = (
    "ScheduledStepAttributesSequence", "PerformedProcedureStepID", "PerformedStationAETitle",
    "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime", "PerformedProcedureStepStatus", "Modality",
)  # fmt: skip
TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferencedPatientSequence", "PerformedStationName",
    "PerformedLocation", "PerformedProcedureStepDescription", "PerformedProcedureTypeDescription",
    "ProcedureCodeSequence", "PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime", "StudyID",
    "PerformedProtocolCodeSequence", "PerformedSeriesSequence",
)  # fmt: skip
OF_ITEM = (
    "ReferencedStudySequence", "AccessionNumber", "RequestedProcedureID", "RequestedProcedureDescription",
    "ScheduledProcedureStepID", "ScheduledProcedureStepDescription", "ScheduledProtocolCodeSequence",
)  # fmt: skip


def without(dataset: Members, *keywords: str) -> Members:
    """A data set with less."""
    gone = {next(iter(members(**{keyword: None}))) for keyword in keywords}
    return {tag: member for tag, member in dataset.items() if tag not in gone}


def refused(status: Failure, word: str, *given: Members) -> None:
    """Creation, or with a second data set a change, is refused with a status and a message that names it."""
    with pytest.raises(RefusedError, match=word) as caught:
        changed(*given) if len(given) == 2 else created(given[0])
    assert caught.value.status is status


@pytest.mark.spec(MPPS)
@pytest.mark.parametrize("keyword", [*TYPE_1, *TYPE_2])
def test_what_must_be_there_is_asked_for(keyword: str) -> None:
    """Attributes of types 1 and 2, 0120H."""
    refused(Failure.MISSING_ATTRIBUTE, keyword, without(begun(), keyword))


@pytest.mark.spec(MPPS)
@pytest.mark.parametrize("keyword", TYPE_1)
def test_what_must_have_a_value_is_asked_for(keyword: str) -> None:
    """Attributes of type 1, 0121H."""
    refused(Failure.MISSING_ATTRIBUTE_VALUE, keyword, begun(**{keyword: None}))


@pytest.mark.spec(MPPS)
@pytest.mark.parametrize("keyword", OF_ITEM)
def test_the_scheduled_step_is_described(keyword: str) -> None:
    """In each item, with attributes that may be empty."""
    whole = begun()
    item = whole["00400270"]["Value"][0]
    whole["00400270"]["Value"] = [item, without(item, keyword)]
    refused(Failure.MISSING_ATTRIBUTE, keyword, whole)
    assert created(begun({keyword: None}))


@pytest.mark.spec(MPPS)
def test_the_study_must_be_named() -> None:
    """Its UID has a value."""
    refused(Failure.MISSING_ATTRIBUTE_VALUE, "StudyInstanceUID", begun({"StudyInstanceUID": None}))


@pytest.mark.spec("DICOM PS3.4 F.7.2.1.3")
@pytest.mark.parametrize("state", ["COMPLETED", "DISCONTINUED", "STARTED"])
def test_a_step_begins_in_progress(state: str) -> None:
    """0106H for all else."""
    refused(Failure.INVALID_ATTRIBUTE_VALUE, "IN PROGRESS", begun(PerformedProcedureStepStatus=state))


@pytest.mark.spec("DICOM PS3.4 F.7.2.2.3")
def test_text_is_kept_without_its_character_set() -> None:
    """That of a later change does not replace that of what stays."""
    whole = begun(SpecificCharacterSet="ISO_IR 100", SOPInstanceUID="1.2.3")
    assert created(whole) == begun()
    assert changed(begun(), members(SpecificCharacterSet="ISO_IR 144"))[0] == begun()


@pytest.mark.spec("DICOM PS3.4 F.7.2.2.2")
def test_a_step_goes_on_and_ends() -> None:
    """Changes replace what is there, sequences whole."""
    going, state = changed(
        begun(), members(PerformedProcedureStepDescription="Neck", PerformedSeriesSequence=[series()])
    )
    assert (going["00400254"]["Value"], state) == (["Neck"], State.IN_PROGRESS)
    done, state = changed(going, ended())
    assert (state, done["00400250"]["Value"]) == (State.COMPLETED, ["20260301"])


@pytest.mark.spec("DICOM PS3.4 F.7.2.2.2")
@pytest.mark.parametrize("state", ["COMPLETED", "DISCONTINUED"])
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"PerformedProcedureStepEndDate": None}, Failure.MISSING_ATTRIBUTE_VALUE),
        ({"PerformedProcedureStepEndTime": None}, Failure.MISSING_ATTRIBUTE_VALUE),
        ({"PerformedSeriesSequence": None}, Failure.MISSING_ATTRIBUTE_VALUE),
        ({"PerformedSeriesSequence": [series(ProtocolName=None)]}, Failure.MISSING_ATTRIBUTE_VALUE),
        ({"PerformedSeriesSequence": [without(series(), "OperatorsName")]}, Failure.MISSING_ATTRIBUTE),
        ({"PerformedSeriesSequence": [without(series(), "ReferencedImageSequence")]}, Failure.MISSING_ATTRIBUTE),
        (
            {"PerformedSeriesSequence": [series(ReferencedImageSequence=[members(ReferencedSOPClassUID="1.2")])]},
            Failure.MISSING_ATTRIBUTE,
        ),
    ],
)
def test_what_a_step_needs_to_end(state: str, changes: dict[str, Any], status: Failure) -> None:
    """The end, and a series, though it may hold nothing."""
    refused(status, next(iter(changes)), begun(), ended(state, **changes))
    empty = series(ReferencedImageSequence=None)
    assert changed(begun(), ended(state, PerformedSeriesSequence=[empty]))[1] == state


@pytest.mark.spec("DICOM PS3.4 F.7.2.2.3")
@pytest.mark.parametrize("state", ["COMPLETED", "DISCONTINUED"])
def test_after_the_end_nothing_changes(state: str) -> None:
    """0110H with Error ID A710H and its comment."""
    done, _ = changed(begun(), ended(state))
    with pytest.raises(RefusedError, match="may no longer be updated") as caught:
        changed(done, members(PerformedProcedureStepDescription="Neck"))
    assert (caught.value.status, caught.value.error_id) == (Failure.PROCESSING_FAILURE, 0xA710)


@pytest.mark.spec(MPPS)
def test_what_a_change_may_not_touch() -> None:
    """Patient, schedule and begin are those of the creation; to repeat them is no change."""
    refused(Failure.INVALID_ATTRIBUTE_VALUE, "PatientID", begun(), members(PatientID="other"))
    refused(Failure.INVALID_ATTRIBUTE_VALUE, "Modality", begun(), members(Modality="MR"))
    refused(Failure.INVALID_ATTRIBUTE_VALUE, "Status", begun(), members(PerformedProcedureStepStatus="PAUSED"))
    assert changed(begun(), begun())[0] == begun()


@pytest.mark.spec("DICOM PS3.4 F.1.5")
@pytest.mark.parametrize(
    ("performed", "expected"),
    [
        ([], ""),
        ([("IN PROGRESS", None)], "STARTED"),
        ([("COMPLETED", None)], "COMPLETED"),
        ([("COMPLETED", None), ("IN PROGRESS", None)], "STARTED"),
        ([("DISCONTINUED", "110513")], "DISCONTINUED"),
        ([("DISCONTINUED", None)], "DISCONTINUED"),
        ([("DISCONTINUED", "110514")], ""),
        ([("DISCONTINUED", None), ("COMPLETED", None)], "COMPLETED"),
        ([("COMPLETED", "110514")], "COMPLETED"),
    ],
)
def test_what_performed_steps_make_of_a_scheduled_one(performed: list[tuple[str, str | None]], expected: str) -> None:
    """One that was begun by mistake (110514) counts for nothing."""
    assert standing([(State(state), reason) for state, reason in performed]) == expected


@pytest.mark.parametrize(
    ("before", "now", "performed", "expected"),
    [
        ("WAITING", "SCHEDULED", "DISCONTINUED", ""),
        ("COMPLETED", "SCHEDULED", "COMPLETED", ""),
        ("SCHEDULED", "SCHEDULED", "DISCONTINUED", "DISCONTINUED"),
        ("SCHEDULED", "COMPLETED", "COMPLETED", "COMPLETED"),
        ("WAITING", "SCHEDULED", "STARTED", "STARTED"),
    ],
)
def test_an_order_that_is_taken_up_again_is_performed_anew(
    before: str, now: str, performed: str, expected: str
) -> None:
    """When it was on hold, or over."""
    assert resumed(Scheduled(before), Scheduled(now), Performed(performed)) == expected


A = Candidate(1, "S1", "1.2", "A1", "p", 7)
B = Candidate(2, "S2", "1.2", "A1", "p", 7)


@pytest.mark.spec("DICOM PS3.4 F.7.2.1.2")
@pytest.mark.parametrize(
    ("item", "patient", "expected"),
    [
        (Meant("S1", "1.2", ""), "p", [A]),
        (Meant("S1", "1.9", ""), "p", [A]),
        (Meant("S1", "1.2", ""), "q", [A]),
        (Meant("S1", "1.9", ""), "q", []),
        (Meant("S9", "1.2", "A1"), "p", []),
        (Meant("", "1.2", ""), "q", [A, B]),
        (Meant("", "1.9", "A1"), "p", [A, B]),
        (Meant("", "1.9", "A1"), "q", []),
        (Meant("", "1.9", ""), "p", []),
    ],
)
def test_which_scheduled_steps_are_performed(item: Meant, patient: str, expected: list[Candidate]) -> None:
    """By ID with study or patient, else by study, else by accession number of the patient."""
    assert chosen(item, patient, [A, B]) == expected


def test_codes_of_reasons_are_items() -> None:
    """The reason of a discontinuation may be set though it was not created."""
    reason = [code("110514", "DCM", "Incorrect worklist entry selected")]
    done, state = changed(
        without(begun(), "PerformedProcedureStepDiscontinuationReasonCodeSequence"),
        ended("DISCONTINUED", PerformedProcedureStepDiscontinuationReasonCodeSequence=reason),
    )
    assert (state, done["00400281"]["Value"]) == (State.DISCONTINUED, reason)
