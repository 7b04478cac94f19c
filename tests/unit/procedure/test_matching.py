"""Which worklist items match which keys."""

from __future__ import annotations

from typing import Any

import pytest

from dicomweb.procedure.scheduled import matching
from dicomweb.procedure.scheduled.answer import answer
from dicomweb.procedure.scheduled.attributes import ATTRIBUTES, Key
from dicomweb.procedure.scheduled.wildcards import fits
from healix_fhir.kernel.errors import HealixError
from tests.support.procedure import STUDY, request, worklist_item
from tests.support.workitems import Members, code, members


def matches(keys: Members, **changes: Any) -> bool:
    """Whether the usual item, with changes, matches."""
    return matching.matcher(keys)(worklist_item(**changes))


@pytest.mark.spec("DICOM PS3.4 K.6.1.2.2")
def test_the_required_matching_keys_are_those_of_the_standard() -> None:
    """Table K.6-1, R."""
    assert {row.keyword for row in ATTRIBUTES if row.key is Key.REQUIRED} == {
        "ScheduledProcedureStepSequence", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate",
        "ScheduledProcedureStepStartTime", "Modality", "ScheduledPerformingPhysicianName", "PatientName", "PatientID",
    }  # fmt: skip


@pytest.mark.spec("DICOM PS3.4 K.6.1.2.2")
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, True),
        ({"PatientID": None}, True),
        ({"PatientID": "mrn-1"}, True),
        ({"PatientID": "mrn"}, False),
        ({"PatientID": "mrn-*"}, True),
        ({"PatientID": "mrn-?"}, True),
        ({"PatientID": "*"}, True),
        ({"PatientID": ["mrn-1", "mrn-2"]}, True),
        ({"PatientName": "yamada^TAROU"}, True),
        ({"PatientName": "Yamada"}, False),
        ({"PatientName": "Yamada*"}, True),
        ({"PatientName": {"Ideographic": "山田*"}}, True),
        ({"PatientName": {"Alphabetic": "Yamada*", "Ideographic": "佐藤*"}}, False),
        ({"PatientName": "*"}, True),
        ({"AccessionNumber": "A1"}, True),
        ({"AccessionNumber": "A2"}, False),
        ({"StudyInstanceUID": STUDY}, True),
        ({"StudyInstanceUID": [f"{STUDY}.7", STUDY]}, True),
        ({"StudyInstanceUID": f"{STUDY}.7"}, False),
        ({"RequestedProcedureID": "P1"}, True),
        ({"RequestedProcedureDescription": "H??d"}, True),
        ({"PatientBirthDate": "19700101-19700131"}, True),
        ({"PatientBirthDate": "19700103"}, False),
        ({"AdmissionID": "x"}, False),
        ({"SeriesDescription": "x"}, True),
    ],
)
def test_keys_of_order_and_patient(keys: dict[str, Any], expected: bool) -> None:
    """Single values, wild cards and lists of UIDs; what the model does not have is not matched on."""
    assert matches(request(**keys)) is expected


START, TIME = "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime"


@pytest.mark.spec("DICOM PS3.4 K.6.1.2.2")
@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({}, True),
        ({"ScheduledStationAETitle": "CT1"}, True),
        ({"ScheduledStationAETitle": "CT2"}, False),
        ({"Modality": "CT", "ScheduledStationAETitle": "CT1"}, True),
        ({"Modality": "MR", "ScheduledStationAETitle": "CT1"}, False),
        ({"Modality": ["CT", "MR"]}, True),
        ({"ScheduledPerformingPhysicianName": "rontgen^a*"}, True),
        ({START: "20260301"}, True),
        ({START: "20260302"}, False),
        ({START: "20260228-20260301"}, True),
        ({START: "-20260228"}, False),
        ({START: "20260301-"}, True),
        ({TIME: "08"}, True),
        ({TIME: "0831"}, False),
        ({TIME: "0800-0900"}, True),
        ({TIME: "0900-"}, False),
        ({START: "20260228-20260302", TIME: "1000-0700"}, True),
        ({START: "20260301-20260301", TIME: "0900-1700"}, False),
        ({START: "20260301-20260302", TIME: "0900-0700"}, False),
        ({START: "20260301", TIME: "0800-0900"}, True),
        ({START: "20260301-", TIME: "0900-"}, False),
        ({START: "20260228-", TIME: "0900-"}, True),
        ({"ScheduledProcedureStepID": "S1"}, True),
        ({"ScheduledProcedureStepStatus": "STARTED"}, False),
        ({"ScheduledProtocolCodeSequence": [members(CodeValue="303653007")]}, True),
        ({"ScheduledProtocolCodeSequence": [members(CodeValue="1")]}, False),
        ({"ScheduledStationName": "Scanner"}, False),
    ],
)  # fmt: skip
def test_keys_of_the_step(step: dict[str, Any], expected: bool) -> None:
    """They match in one item; a range of dates and one of times are one range of moments."""
    assert matches(request(step)) is expected


@pytest.mark.spec("DICOM PS3.4 C.2.2.2.6")
def test_keys_of_one_sequence_match_in_one_item() -> None:
    """A code of one item with the scheme of another is no match."""
    codes = [code("1", "SCT"), code("2", "LN")]
    keys = [members(CodeValue="1", CodingSchemeDesignator="LN")]
    step = {"ScheduledProtocolCodeSequence": codes}
    assert not matches(request({"ScheduledProtocolCodeSequence": keys}), step=step)
    assert matches(request({"ScheduledProtocolCodeSequence": [members(CodeValue="2", CodingSchemeDesignator="LN")]}),
                   step=step)  # fmt: skip


@pytest.mark.parametrize(
    "keys",
    [
        request({"ScheduledProcedureStepStartDate": "2026-03-01"}),
        request({"ScheduledProcedureStepStartDate": "20261301"}),
        request({"ScheduledProcedureStepStartTime": "8:30"}),
        request({"ScheduledProcedureStepStartDate": "20260302-20260301"}),
        request({"ScheduledProcedureStepStartDate": ["20260301", "20260302"]}),
        request({"ScheduledProcedureStepStartDate": "20260301-20260301", "ScheduledProcedureStepStartTime": "0900-08"}),
        request(StudyInstanceUID="1.02"),
        request(PatientWeight="heavy"),
        members(ScheduledProcedureStepSequence=[request(Modality="CT"), request(Modality="MR")]),
    ],
)
def test_malformed_keys_are_refused(keys: Members) -> None:
    """By the name of the attribute: to ignore them would answer with other people's work."""
    with pytest.raises(HealixError, match=r"Scheduled|Study|Weight"):
        matching.matcher(keys)


@pytest.mark.spec("DICOM PS3.4 K.4.1.1.4")
@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (request({"Modality": "CT"}, PatientID=None, SpecificCharacterSet="ISO_IR 192"), False),
        (request(SeriesDescription=None), True),
        (request({"SeriesDescription": "x"}), True),
        (members(ScheduledProcedureStepSequence=None), False),
    ],
)
def test_keys_that_the_model_does_not_have_are_told(keys: Members, expected: bool) -> None:
    """Status FF01H instead of FF00H."""
    assert matching.unsupported(keys) is expected


@pytest.mark.spec("DICOM PS3.4 C.2.2.2.4")
@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("*", "", True), ("a*", "a", True), ("a*b", "ab", True), ("a*b", "aab", True), ("a*b", "abc", False),
        ("a*a", "a", False), ("*b*", "abc", True), ("*bc*b*", "abcb", True), ("?", "", False), ("a?c", "abc", True),
        ("a*?c", "abc", True), ("a*b*c", "acb", False), ("", "", True), ("a.c", "abc", False),
    ],
)  # fmt: skip
def test_wild_cards(key: str, text: str, expected: bool) -> None:
    """Any characters, and one."""
    assert fits(key, text) is expected


def test_hostile_wild_cards_take_no_time() -> None:
    """Many stars in a long text that does not match."""
    assert not fits("*a" * 500 + "b", "a" * 2000)


@pytest.mark.spec("DICOM PS3.4 K.4.1.1.3.2")
def test_an_answer_has_what_was_asked_for() -> None:
    """What has no value is empty, a sequence without an item is given whole, nothing else is there."""
    keys = request({"Modality": "CT", "ScheduledStationName": None, "ScheduledProtocolCodeSequence": [{}]},
                   PatientID="mrn-*", AdmissionID=None, SpecificCharacterSet="ISO_IR 100")  # fmt: skip
    protocol = [code("303653007", "SCT", "CT of head")]
    step = members(Modality="CT", ScheduledStationName=None, ScheduledProtocolCodeSequence=protocol)
    expected = members(PatientID="mrn-1", AdmissionID=None, ScheduledProcedureStepSequence=[step])
    assert answer(keys, worklist_item()) == dict(sorted(expected.items()))
    whole = answer(members(ScheduledProcedureStepSequence=None), worklist_item())
    assert whole == {"00400100": worklist_item()["00400100"]}


@pytest.mark.spec("DICOM PS3.4 K.4.1.1.3.2")
def test_an_answer_tells_the_zone_of_its_times() -> None:
    """Where it is known, also unasked."""
    found = answer(request(PatientID=None), worklist_item(TimezoneOffsetFromUTC="+0100"))
    assert found == members(TimezoneOffsetFromUTC="+0100", PatientID="mrn-1")


@pytest.mark.spec("DICOM PS3.4 C.2.2.2.1.1")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("tarou yam", True), ("Yamada Hanako", False), ({"Ideographic": "山田"}, True), ("tarou^yamada", True)],
)
def test_fuzzy_names(name: Any, expected: bool) -> None:
    """Every word of the key begins some word of the name, in whatever order."""
    assert matching.matcher(request(PatientName=name), fuzzy=True)(worklist_item()) is expected
