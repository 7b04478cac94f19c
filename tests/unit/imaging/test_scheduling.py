"""Orders as worklist items."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dicomweb.dicomjson.reading import checked
from dicomweb.procedure.content import items, name_of, text, values
from dicomweb.procedure.scheduled.attributes import BY_PATH
from healix_fhir.imaging.scheduling.item import Order, item, starts, state
from healix_fhir.imaging.scheduling.kinds import is_imaging, of_order
from healix_fhir.imaging.scheduling.people import patient_id
from healix_fhir.imaging.scheduling.values import Moment, code_item, moment, person_name
from tests.support.procedure import AE_TITLE, DCM, SNOMED, order, patient

V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
SECTION = "http://terminology.hl7.org/CodeSystem/v2-0074"


def identifier(type_: str, value: str, system: str | None = None) -> dict[str, Any]:
    """An identifier of a type of v2-0203."""
    found: dict[str, Any] = {"type": {"coding": [{"system": V2, "code": type_}]}, "value": value}
    return found | ({"system": system} if system else {})


def concept(system: str, code: str) -> dict[str, Any]:
    """A CodeableConcept."""
    return {"coding": [{"system": system, "code": code}]}


def around(body: dict[str, Any], *known: dict[str, Any], **plans: Any) -> Order:
    """An order with what it refers to."""
    return Order(body, known={f"{one['resourceType']}/{one['id']}": one for one in (patient(), *known)}, **plans)


def attributes(found: dict[str, Any]) -> dict[str, Any]:
    """The first values by keyword, those of the step among them."""
    step = next(items(found, "00400100"))
    pairs = [(tag, found) for tag in found] + [(f"00400100.{tag}", step) for tag in step]
    return {
        BY_PATH[path].keyword: name_of(holder, path[-8:])
        if holder[path[-8:]]["vr"] == "PN"
        else text(holder, path[-8:])
        for path, holder in pairs
        if path in BY_PATH and holder[path[-8:]]["vr"] != "SQ"
    }


@pytest.mark.parametrize(
    ("elements", "imaging", "modality"),
    [
        ({}, True, "CT"),
        ({"orderDetail": []}, True, None),
        ({"orderDetail": [], "category": [concept(SECTION, "RAD")]}, True, None),
        ({"orderDetail": [], "category": [concept(SECTION, "NMR")]}, True, "MR"),
        ({"orderDetail": [], "category": [concept("http://loinc.org", "LP29684-5")]}, True, None),
        ({"orderDetail": [], "category": [concept(SNOMED, "108252007")]}, False, None),
        ({"orderDetail": [], "category": [], "code": concept(SNOMED, "16310003")}, True, "US"),
        ({"orderDetail": [], "category": [], "code": concept("http://loinc.org", "24725-4")}, False, None),
        ({"orderDetail": [concept(DCM, "MG")], "category": []}, True, "MG"),
        ({"orderDetail": [concept(DCM, "113014")], "category": []}, False, None),
    ],
)
def test_which_orders_are_orders_of_images(elements: dict[str, Any], imaging: bool, modality: str | None) -> None:
    """By category, or by a code that names a modality."""
    assert (is_imaging(order(**elements)), of_order(order(**elements))) == (imaging, modality)


@pytest.mark.spec("FHIR R4 request.html#statemachine")
@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, "SCHEDULED"),
        ({"status": "draft"}, "WAITING"),
        ({"status": "on-hold"}, "WAITING"),
        ({"status": "revoked"}, "CANCELED"),
        ({"status": "entered-in-error"}, "CANCELED"),
        ({"status": "completed"}, "COMPLETED"),
        ({"intent": "proposal"}, "CANCELED"),
        ({"intent": "filler-order"}, "SCHEDULED"),
        ({"doNotPerform": True}, "CANCELED"),
        ({"encounter": {"reference": "Encounter/e"}}, "ARRIVED"),
    ],
)
def test_how_a_step_stands_by_its_order(elements: dict[str, Any], expected: str) -> None:
    """Only an active order is one to be done."""
    visit = {"resourceType": "Encounter", "id": "e", "status": "in-progress"}
    assert state(around(order(**elements), visit)) == expected


def test_patients_who_have_come_are_told() -> None:
    """By their appointment, and by the task of who prepares them."""
    booked, arrived = ({"resourceType": "Appointment", "id": "a", "status": one} for one in ("booked", "arrived"))
    ready = {"resourceType": "Task", "id": "t", "status": "ready"}
    assert state(around(order(), appointments=[booked])) == "SCHEDULED"
    assert state(around(order(), appointments=[arrived])) == "ARRIVED"
    assert state(around(order(), appointments=[arrived], tasks=[ready])) == "READY"


def test_nothing_of_another_patient_is_told_of_an_order() -> None:
    """Whatever visit it names, and whatever names it: neither numbers, nor places, nor times, nor that they came."""
    other = {"reference": "Patient/q"}
    visit = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "in-progress",
        "identifier": [identifier("VN", "V-9")],
        "location": [{"location": {"display": "Ward 9"}}],
    }
    booked = {"resourceType": "Appointment", "id": "a", "status": "arrived", "start": "2026-03-03T09:00:00Z"}
    ready = {"resourceType": "Task", "id": "t", "status": "ready"}
    body = order(encounter={"reference": "Encounter/e"})
    theirs = around(
        body,
        visit | {"subject": other},
        appointments=[booked | {"participant": [{"actor": other}]}],
        tasks=[ready | {"for": other}],
    )
    assert state(theirs) == "SCHEDULED"
    found = attributes(item(theirs))
    assert (found["AdmissionID"], found["CurrentPatientLocation"]) == ("", "")
    assert found["ScheduledProcedureStepStartDate"] == "20260301"
    own = around(
        body,
        visit | {"subject": {"reference": "Patient/p"}},
        appointments=[booked | {"participant": [{"actor": other}, {"actor": {"reference": "Patient/p"}}]}],
        tasks=[ready | {"for": {"reference": "Patient/p"}}],
    )
    assert state(own) == "READY"
    found = attributes(item(own))
    assert (found["AdmissionID"], found["CurrentPatientLocation"]) == ("V-9", "Ward 9")
    assert found["ScheduledProcedureStepStartDate"] == "20260303"


def test_an_order_as_worklist_item() -> None:
    """With the identifiers that it has; those that it has not are the server's to make."""
    doctor = {"resourceType": "Practitioner", "id": "d", "name": [{"family": "House", "given": ["Gregory"]}]}
    role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/d"}}
    scanner = {
        "resourceType": "Device",
        "id": "s",
        "identifier": [{"system": AE_TITLE, "value": "CT1"}],
        "deviceName": [{"name": "Big scanner", "type": "user-friendly-name"}],
    }
    room = {
        "resourceType": "Location",
        "id": "l",
        "name": "Basement",
        "identifier": [{"system": AE_TITLE, "value": "CT2"}],
    }
    body = order(
        requester={"reference": "PractitionerRole/r"},
        performer=[{"reference": "Device/s"}, {"reference": "Practitioner/d"}],
        locationReference=[{"reference": "Location/l"}],
        priority="stat",
        identifier=[
            identifier("ACSN", "A-7", "urn:oid:1.2.3.4"),
            identifier("PLAC", "PL1"),
            identifier("FILL", "FI1"),
            {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"},
        ],
        reasonCode=[{"text": "Headache"}],
        note=[{"text": "fasting"}],
    )
    found = item(around(body, doctor, role, scanner, room))
    assert {key: value for key, value in attributes(found).items() if value} == {
        "PatientName": "Müller^Änne^Maria^Dr.",
        "PatientID": "mrn-1",
        "IssuerOfPatientID": "1.2.3",
        "PatientBirthDate": "19700102",
        "PatientSex": "F",
        "AccessionNumber": "A-7",
        "RequestedProcedureID": "FI1",
        "RequestedProcedureDescription": "CT head",
        "RequestedProcedurePriority": "STAT",
        "RequestedProcedureComments": "fasting",
        "ReasonForTheRequestedProcedure": "Headache",
        "StudyInstanceUID": "1.2.3",
        "PlacerOrderNumberImagingServiceRequest": "PL1",
        "FillerOrderNumberImagingServiceRequest": "FI1",
        "RequestingPhysician": "House^Gregory",
        "ReferringPhysicianName": "House^Gregory",
        "ScheduledStationAETitle": "CT1",
        "ScheduledStationName": "Big scanner",
        "ScheduledProcedureStepLocation": "Basement",
        "ScheduledProcedureStepStartDate": "20260301",
        "ScheduledProcedureStepStartTime": "083000",
        "ScheduledPerformingPhysicianName": "House^Gregory",
        "ScheduledProcedureStepDescription": "CT head",
        "Modality": "CT",
    }
    assert text(found, "00080201") == "+0100"
    assert values(next(items(found, "00400100")), "00400001") == ["CT1", "CT2"]
    codes = [(text(one, "00080100"), text(one, "00080102")) for one in items(found, "00321064")]
    assert codes == [("303653007", "SCT")]
    issuer = next(items(found, "00080051"))
    assert (text(issuer, "00400032"), text(issuer, "00400033")) == ("1.2.3.4", "ISO")


def test_an_order_that_says_little_is_on_the_list_too() -> None:
    """A modality of no kind, and no station."""
    body = {"resourceType": "ServiceRequest", "id": "x", "subject": {"reference": "Patient/p"}}
    found = attributes(item(around(body | {"authoredOn": "2026-02-01T10:00:00Z"})))
    assert (found["Modality"], found["ScheduledStationAETitle"]) == ("OT", "")
    assert (found["ScheduledProcedureStepStartDate"], found["ScheduledProcedureStepStartTime"]) == (
        "20260201",
        "100000",
    )
    assert "AccessionNumber" not in found


def test_identifiers_that_dicom_cannot_hold_are_not_cut() -> None:
    """The beginning of a number would be another order's."""
    found = item(around(order(identifier=[identifier("ACSN", "1" * 17), identifier("FILL", "F" * 16)])))
    assert text(found, "00080050") == "F" * 16


@pytest.mark.parametrize(
    ("body", "plans", "expected"),
    [
        ({}, {}, ("20260301", "083000", "+0100")),
        ({"occurrenceDateTime": "2026-03-01"}, {}, ("20260301", "000000", "")),
        ({"occurrenceDateTime": None, "occurrencePeriod": {"start": "2026-04-01T07:00:00Z"}}, {},
         ("20260401", "070000", "+0000")),
        ({"occurrenceDateTime": "2026", "authoredOn": "2026-01-05"}, {}, ("20260105", "000000", "")),
        ({}, {"tasks": [{"status": "requested", "restriction": {"period": {"start": "2026-03-02T09:00:00Z"}}}]},
         ("20260302", "090000", "+0000")),
        ({}, {"tasks": [{"status": "cancelled", "executionPeriod": {"start": "2026-03-02T09:00:00Z"}}]},
         ("20260301", "083000", "+0100")),
        ({}, {"appointments": [{"status": "booked", "start": "2026-03-03T09:00:00+01:00"}],
              "tasks": [{"status": "ready", "restriction": {"period": {"start": "2026-03-02T09:00:00Z"}}}]},
         ("20260303", "090000", "+0100")),
        ({}, {"appointments": [{"status": "noshow", "start": "2026-03-03T09:00:00+01:00"}]},
         ("20260301", "083000", "+0100")),
    ],
)  # fmt: skip
def test_when_a_step_begins(body: dict[str, Any], plans: dict[str, Any], expected: tuple[str, ...]) -> None:
    """The appointment before the task before the order."""
    elements = {name: value for name, value in order(**body).items() if value is not None}
    assert starts(Order(elements, **plans), None) == Moment(*expected)


def test_times_are_told_on_the_clocks_of_the_clinic() -> None:
    """In summer and in winter."""
    vienna = ZoneInfo("Europe/Vienna")
    assert moment("2026-07-01T22:30:00Z", vienna) == Moment("20260702", "003000", "+0200")
    assert moment("2026-01-01T22:30:00Z", vienna) == Moment("20260101", "233000", "+0100")
    assert moment("2026-01-01", vienna) == Moment("20260101")


@pytest.mark.spec("DICOM PS3.5 6.2.1")
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ""),
        ([{"family": "Doe", "given": ["Jane", "Mary", "Ann"], "suffix": ["Jr."]}], "Doe^Jane^Mary Ann^^Jr."),
        ([{"text": "Jane Doe"}], "Jane Doe"),
        ([{"family": "A^B=C\\D"}], "A B C/D"),
        ([{"use": "old", "family": "Old"}, {"family": "Any"}, {"use": "official", "family": "New"}], "New"),
        ([{"family": "Иванов", "given": ["Пётр"]}], "Иванов^Пётр"),
        ([{"family": "Yamada", "given": ["Tarou"]}, {"family": "山田", "given": ["太郎"]},
          {"family": "やまだ", "given": ["たろう"]}], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ([{"family": "김", "given": ["희중"]}], "=김^희중"),
        ([{"family": "Wang"}, {"family": "Wang", "extension": [{"url": REPRESENTATION, "valueCode": "IDE"}]}],
         "Wang=Wang"),
        ([{"given": ["Cher"]}], "^Cher"),
    ],
)  # fmt: skip
def test_names(names: list[dict[str, Any]], expected: str) -> None:
    """Component groups by representation, else by script."""
    assert person_name(names) == expected


@pytest.mark.parametrize(
    ("identifiers", "expected"),
    [
        ([{"system": "urn:oid:1.2.3", "value": "1"}], ("1", "1.2.3")),
        ([{"value": "1"}, identifier("MR", "2", "http://x")], ("2", "http://x")),
        ([{"use": "old", "value": "1"}, {"value": "2"}], ("2", "")),
        ([{"system": "urn:healix:dicom:patient-id", "value": "1", "assigner": {"display": "Ward"}}], ("1", "Ward")),
        ([], ("p", "")),
    ],
)
def test_the_id_of_a_patient(identifiers: list[dict[str, Any]], expected: tuple[str, str]) -> None:
    """By which the images find their Patient."""
    assert patient_id(patient(identifier=identifiers)) == expected


@pytest.mark.spec("DICOM PS3.3 8.8")
@pytest.mark.parametrize(
    ("coding", "expected"),
    [
        ({"system": SNOMED, "code": "1", "display": "one"}, ("CodeValue", "1", "SCT", "one")),
        ({"system": "urn:own", "code": "X"}, ("CodeValue", "X", "99LOCAL", "said")),
        ({"system": SNOMED, "code": "1" * 17}, ("LongCodeValue", "1" * 17, "SCT", "said")),
        ({"system": "urn:own", "code": "urn:oid:1.2.3.4.5"}, ("URNCodeValue", "urn:oid:1.2.3.4.5", "99LOCAL", "said")),
    ],
)
def test_codes(coding: dict[str, Any], expected: tuple[str, ...]) -> None:
    """With the designators of DICOM, and an own one for systems that have none."""
    keyword, code, scheme, meaning = expected
    found = code_item(coding, "said")
    assert found == {keyword: code, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}
    assert code_item({"display": "no code"}) is None


@pytest.mark.parametrize("hostile", ["a\\b", "a^b=c", "ä" * 200, "😀", " ", "x" * 70_000, "1\n2", "山田"])
def test_whatever_an_order_says_fits_into_an_item(hostile: str) -> None:
    """What cannot be a value of its attribute would spoil the whole answer."""
    said = {"coding": [{"system": hostile, "code": hostile, "display": hostile, "version": hostile}], "text": hostile}
    device = {
        "resourceType": "Device",
        "id": "d",
        "identifier": [{"system": AE_TITLE, "value": hostile}],
        "deviceName": [{"name": hostile}],
    }
    whom = patient(
        name=[{"family": hostile, "given": [hostile, hostile], "prefix": [hostile], "suffix": [hostile]}],
        identifier=[{"system": hostile, "value": hostile, "assigner": {"display": hostile}}],
    )
    body = order(
        code=said,
        orderDetail=[said],
        category=[said],
        reasonCode=[said, said],
        note=[{"text": hostile}],
        patientInstruction=hostile,
        identifier=[identifier(one, hostile, hostile) for one in ("ACSN", "FILL", "PLAC")],
        performer=[{"reference": "Device/d"}, {"reference": "Practitioner/x", "display": hostile}],
        requester={"reference": "Practitioner/x", "display": hostile},
        occurrenceDateTime="0999-03-01T00:00:00Z",
    )
    made = item(Order(body, known={"Device/d": device, "Patient/p": whom}))
    assert checked(made) == made
