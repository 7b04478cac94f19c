"""What subscribers are told, against PS3.4 Table CC.2.4-1."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.dicomjson.reading import checked
from dicomweb.workitem.reports import Event, cancel_requested, of_change, of_creation, restarted, state_report
from dicomweb.workitem.requirements import canceled
from tests.support.workitems import Members, code, members, workitem

UID = "1.2.3"
SPEC = pytest.mark.spec("PS3.4 CC.2.4.3")


def tags(**attributes: Any) -> set[str]:
    """The tags of keywords."""
    return set(members(**attributes))


def progress(**attributes: Any) -> Members:
    """How far an item is."""
    return members(ProcedureStepProgressInformationSequence=[members(**attributes)])


COMMAND = tags(AffectedSOPClassUID=None, AffectedSOPInstanceUID=None, EventTypeID=None)


@SPEC
@pytest.mark.spec("PS3.18 11.13")
def test_a_state_report_tells_the_states_of_step_and_input() -> None:
    """And of a canceled step why it was."""
    plain = state_report(UID, checked(workitem()))
    assert plain.content.keys() == COMMAND | tags(ProcedureStepState=None, InputReadinessState=None)
    assert plain.content["00001000"]["Value"] == [UID]
    assert plain.content["00001002"]["Value"] == [1]
    assert plain.content["00000002"]["Value"] == ["1.2.840.10008.5.1.4.34.6.1"]
    dataset = canceled(checked(workitem()), "20260101", checked(members(ReasonForCancellation="broken")))
    told = state_report(UID, dataset).content
    assert told["00741238"]["Value"] == ["broken"]
    assert told["0074100E"]["Value"][0]["00080100"]["Value"] == ["110513"]


@SPEC
def test_a_new_item_is_told_and_to_whom_it_is_assigned() -> None:
    """The second report only where a station or a person is named."""
    nobody = workitem(ScheduledStationNameCodeSequence=None)
    assert [one.event for one in of_creation(UID, checked(nobody))] == [Event.STATE]
    someone = members(
        HumanPerformerCodeSequence=[code("H1")], HumanPerformerName="A^B", HumanPerformerOrganization="Clinic"
    )
    both = checked(nobody | members(ScheduledHumanPerformersSequence=[someone]))
    state, assigned = of_creation(UID, both)
    assert (state.event, assigned.event) == (Event.STATE, Event.ASSIGNED)
    assert assigned.content["00404009"]["Value"][0]["00080100"]["Value"] == ["H1"]
    assert assigned.content["00404036"]["Value"] == ["Clinic"]
    assert "00404025" not in assigned.content


CHANGES: list[tuple[Members, list[Event]]] = [
    (members(ProcedureStepLabel="new"), []),
    (members(InputReadinessState="INCOMPLETE"), [Event.STATE]),
    (members(ScheduledStationNameCodeSequence=[code("OTHER")]), [Event.ASSIGNED]),
    (members(ScheduledStationNameCodeSequence=None), [Event.ASSIGNED]),
    (progress(ProcedureStepProgress=50), [Event.PROGRESS]),
    (progress(ProcedureStepProgressDescription="half"), [Event.PROGRESS]),
    (progress(ProcedureStepCommunicationsURISequence=[members(ContactURI="tel:1")]), [Event.PROGRESS]),
    (progress(ReasonForCancellation="not yet"), []),
    (
        members(InputReadinessState="INCOMPLETE", ScheduledStationNameCodeSequence=None)
        | progress(ProcedureStepProgress=1),
        [Event.STATE, Event.ASSIGNED, Event.PROGRESS],
    ),
]


@SPEC
@pytest.mark.parametrize(("change", "expected"), CHANGES)
def test_a_change_is_told_by_what_has_changed(change: Members, expected: list[Event]) -> None:
    """Each kind of change has its report, and others have none."""
    before = checked(workitem())
    after = before | checked(change)
    found = of_change(UID, before, after)
    assert [one.event for one in found] == expected
    assert of_change(UID, after, after) == []
    for one in found:
        if one.event is Event.PROGRESS:
            assert one.content["00741002"] == after["00741002"]


@SPEC
def test_a_request_for_cancellation_tells_who_and_why() -> None:
    """What the request did not say is not there."""
    found = cancel_requested(UID, "RIS", checked(members(ReasonForCancellation="x", ContactURI="tel:1")))
    assert found.content.keys() == COMMAND | tags(RequestingAE=None, ReasonForCancellation=None, ContactURI=None)
    assert found.content["00741236"]["Value"] == ["RIS"]


@SPEC
def test_a_restart_is_told_as_a_warm_start() -> None:
    """Items and subscriptions are in the database, and stay."""
    content = restarted().content
    assert [content[tag]["Value"][0] for tag in ("00741242", "00741244", "00741246")] == [
        "RESTARTED", "WARM START", "WARM START",
    ]  # fmt: skip
    assert content["00001002"]["Value"] == [4]
