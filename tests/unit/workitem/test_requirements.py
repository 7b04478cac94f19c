"""Table CC.2.5-3: what a new item needs, what can be changed, what a final state needs."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.dicomjson.reading import checked
from dicomweb.workitem.requirements import canceled, changed, created, lacking
from dicomweb.workitem.states import State
from dicomweb.workitem.status import Failure, RefusedError
from healix_fhir.kernel.errors import HealixError
from tests.support.workitems import TRANSACTION, Members, members, performed, workitem

UID = "1.2.826.0.1.3680043.10.1714.77.9"
TYPE_1 = (
    "ScheduledProcedureStepPriority",
    "ProcedureStepLabel",
    "ScheduledProcedureStepStartDateTime",
    "InputReadinessState",
    "ProcedureStepState",
)
TYPE_2 = (
    "ScheduledProcessingParametersSequence", "ScheduledStationNameCodeSequence", "ScheduledStationClassCodeSequence",
    "ScheduledStationGeographicLocationCodeSequence", "ScheduledWorkitemCodeSequence",
    "CommentsOnTheScheduledProcedureStep", "InputInformationSequence", "StudyInstanceUID", "PatientName", "PatientID",
    "IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "OtherPatientIDsSequence", "PatientBirthDate",
    "PatientSex", "AdmissionID", "IssuerOfAdmissionIDSequence", "AdmittingDiagnosesDescription",
    "AdmittingDiagnosesCodeSequence", "ReferencedRequestSequence", "ProcedureStepProgressInformationSequence",
    "UnifiedProcedureStepPerformedProcedureSequence",
)  # fmt: skip
FIXED = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AdmissionID",
    "AdmittingDiagnosesDescription", "ProcedureStepState", "SOPClassUID", "SOPInstanceUID",
)  # fmt: skip
OTHER: dict[str, Any] = {
    "PatientBirthDate": "20000101", "PatientSex": "O", "ProcedureStepState": "COMPLETED", "SOPClassUID": "1.2",
    "SOPInstanceUID": "1.2",
}  # fmt: skip


def tag(keyword: str) -> str:
    """The tag of a keyword."""
    return next(iter(members(**{keyword: None})))


def made(**attributes: Any) -> Members:
    """The data set of a new item."""
    return created(UID, checked(workitem(**attributes)))[0]


@pytest.mark.spec("PS3.4 CC.2.5")
@pytest.mark.parametrize("keyword", TYPE_1)
@pytest.mark.parametrize("absent", [True, False])
def test_a_new_item_needs_values_of_type_1(keyword: str, absent: bool) -> None:
    """An attribute of type 1 that is missing or empty is refused by name."""
    given = workitem(**{keyword: None})
    if absent:
        del given[tag(keyword)]
    with pytest.raises(HealixError, match=keyword):
        created(UID, checked(given))


@pytest.mark.spec("PS3.4 CC.2.5")
@pytest.mark.parametrize("keyword", TYPE_2)
def test_missing_attributes_of_type_2_are_added_empty_and_told(keyword: str) -> None:
    """What may be empty is added, and the sender hears that the item was modified."""
    given = workitem()
    del given[tag(keyword)]
    dataset, modified = created(UID, checked(given))
    assert modified
    assert "Value" not in dataset[tag(keyword)]


def test_a_complete_item_is_kept_as_it_is() -> None:
    """The server adds only what the standard has it add."""
    given = checked(workitem())
    dataset, modified = created(UID, given)
    assert not modified
    ours = {"00080005", "00080016", "00080018"}
    assert {name: dataset[name] for name in dataset.keys() - ours} == {
        name: given[name] for name in given.keys() - {"00081195"}
    }
    assert dataset["00080016"]["Value"] == ["1.2.840.10008.5.1.4.34.6.1"]
    assert dataset["00080018"]["Value"] == [UID]


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"TransactionUID": TRANSACTION}, "TransactionUID must be empty"),
        ({"ScheduledProcedureStepPriority": "URGENT"}, "HIGH, LOW, MEDIUM"),
        ({"InputReadinessState": "SOON"}, "INCOMPLETE, READY, UNAVAILABLE"),
        ({"ProcedureStepProgressInformationSequence": [members(ProcedureStepProgress=1)]}, "must be empty"),
        ({"UnifiedProcedureStepPerformedProcedureSequence": [members(PerformedProcedureStepDescription="x")]}, "empty"),
        ({"SOPInstanceUID": "1.2.3"}, "SOPInstanceUID is another"),
        ({"SOPClassUID": "1.2.3"}, "SOPClassUID is another"),
    ],
)
def test_what_a_new_item_cannot_have_is_refused_by_name(attributes: dict[str, Any], message: str) -> None:
    """Claims, results, unknown priorities."""
    with pytest.raises(HealixError, match=message):
        made(**attributes)


@pytest.mark.spec("PS3.4 CC.2.5.4")
def test_a_new_item_is_scheduled() -> None:
    """Another state is refused with C309H."""
    with pytest.raises(RefusedError) as refused:
        made(ProcedureStepState="IN PROGRESS")
    assert refused.value.status is Failure.NOT_SCHEDULED


def test_an_item_without_a_worklist_label_gets_one() -> None:
    """Worklist Label is of type 2 for the sender, and of type 1 for the server."""
    assert made(WorklistLabel=None)[tag("WorklistLabel")]["Value"] == ["WORKLIST"]


@pytest.mark.spec("PS3.4 CC.2.6")
@pytest.mark.parametrize("keyword", FIXED)
def test_what_is_not_to_be_changed_can_be_repeated_only(keyword: str) -> None:
    """The same value is no change, another is refused by name."""
    present = made()
    assert changed(present, {tag(keyword): present[tag(keyword)]}) == present
    with pytest.raises(HealixError, match=f"{keyword} cannot be changed"):
        changed(present, checked(members(**{keyword: OTHER.get(keyword, "other")})))


@pytest.mark.spec("PS3.4 CC.2.6")
def test_a_change_replaces_the_attributes_that_it_names() -> None:
    """A sequence is replaced as a whole, the rest stays, the Transaction UID does not become content."""
    present = made()
    given = checked(members(ProcedureStepLabel="new", ScheduledStationNameCodeSequence=None, TransactionUID="1.2"))
    after = changed(present, given)
    assert after[tag("ProcedureStepLabel")]["Value"] == ["new"]
    assert "Value" not in after[tag("ScheduledStationNameCodeSequence")]
    different = {name for name in after if after[name] != present.get(name)}
    assert different == {tag("ProcedureStepLabel"), tag("ScheduledStationNameCodeSequence")}


@pytest.mark.parametrize("keyword", ["ProcedureStepLabel", "WorklistLabel", "InputReadinessState"])
def test_a_change_cannot_empty_what_needs_a_value(keyword: str) -> None:
    """Attributes of type 3/1 are sent with a value or not at all."""
    with pytest.raises(HealixError, match=keyword):
        changed(made(), checked(members(**{keyword: None})))


FINAL = (
    "PerformedStationNameCodeSequence", "PerformedProcedureStepStartDateTime", "PerformedWorkitemCodeSequence",
    "PerformedProcedureStepEndDateTime",
)  # fmt: skip


@pytest.mark.spec("PS3.4 CC.2.5.1.1")
@pytest.mark.parametrize("keyword", FINAL)
def test_a_completed_item_tells_what_was_done(keyword: str) -> None:
    """Each attribute of final state P is needed for COMPLETED, and not for CANCELED."""
    whole = made(ScheduledProcedureStepModificationDateTime="2026") | checked(performed())
    assert lacking(whole, State.COMPLETED) == []
    less = whole | checked(performed(**{keyword: None}))
    assert lacking(less, State.COMPLETED) == [f"UnifiedProcedureStepPerformedProcedureSequence.{keyword}"]
    assert lacking(canceled(less, "20260101"), State.CANCELED) == []


@pytest.mark.spec("PS3.4 CC.2.5.1.1")
def test_the_outputs_of_a_completed_item_are_told_even_where_there_are_none() -> None:
    """Output Information Sequence must be there, with or without items."""
    done = performed()
    del done[tag("UnifiedProcedureStepPerformedProcedureSequence")]["Value"][0][tag("OutputInformationSequence")]
    dataset = made(ScheduledProcedureStepModificationDateTime="2026") | checked(done)
    (missing,) = lacking(dataset, State.COMPLETED)
    assert missing.endswith(".OutputInformationSequence")


@pytest.mark.spec("PS3.4 CC.2.5.1.3.2")
def test_an_item_is_canceled_without_further_ado() -> None:
    """The server tells when, and a reason where none is given; a given one stays."""
    dataset = made(ScheduledProcedureStepModificationDateTime="2026")
    assert lacking(dataset, State.CANCELED) == ["ProcedureStepProgressInformationSequence"]
    plain = canceled(dataset, "20260102030405")[tag("ProcedureStepProgressInformationSequence")]["Value"][0]
    assert plain[tag("ProcedureStepCancellationDateTime")]["Value"] == ["20260102030405"]
    (reason,) = plain[tag("ProcedureStepDiscontinuationReasonCodeSequence")]["Value"]
    assert reason[tag("CodeValue")]["Value"] == ["110513"]
    why = checked(members(ReasonForCancellation="broken", ProcedureStepLabel="no"))
    told = canceled(dataset, "20260102030405", why)[tag("ProcedureStepProgressInformationSequence")]["Value"][0]
    assert told[tag("ReasonForCancellation")]["Value"] == ["broken"]
    assert tag("ProcedureStepLabel") not in told
