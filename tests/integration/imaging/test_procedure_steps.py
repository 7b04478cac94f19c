"""From the order to the images: the worklist and performed steps between FHIR and the study store."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from dicomweb.procedure.performed.change import change as set_step
from dicomweb.procedure.performed.create import create
from dicomweb.procedure.performed.retrieve import retrieve
from dicomweb.procedure.performed.status import RefusedError
from dicomweb.procedure.scheduled import search as searching
from dicomweb.procedure.scheduled.search import query, search
from healix_fhir.imaging.imaging_study import imaging_study_id, procedure_id
from healix_fhir.kernel.audit import Origin
from healix_fhir.kernel.errors import HealixError
from smart_auth.access import AccessContext
from tests.support.clinic import MODALITY, UID, Clinic
from tests.support.dicom import data_set, part10
from tests.support.procedure import AE_TITLE, DCM, SNOMED, STUDY, begun, ended, order, patient, request
from tests.support.study import Store, caller
from tests.support.workitems import code, members

ACCESSION = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]}


@pytest.fixture
def clinic(store: Store) -> Clinic:
    """A clinic with one patient."""
    found = Clinic(store)
    found.put(patient())
    return found


def test_an_order_comes_onto_the_worklist_and_leaves_it(clinic: Clinic) -> None:
    """Created, changed, put on hold, taken up, revoked, deleted."""
    clinic.put(order())
    (item,) = clinic.worklist(request({"Modality": None}, PatientName=None))
    assert item == members(
        PatientName="Müller^Änne^Maria^Dr.",
        TimezoneOffsetFromUTC="+0100",
        ScheduledProcedureStepSequence=[members(Modality="CT")],
    )
    clinic.put(order(occurrenceDateTime="2026-03-02T08:30:00+01:00"))
    assert len(clinic.worklist(request({"ScheduledProcedureStepStartDate": "20260302"}))) == 1
    assert clinic.worklist(request({"ScheduledProcedureStepStartDate": "20260301"})) == []
    clinic.put(order(status="on-hold"))
    assert clinic.worklist() == []
    clinic.put(order())
    assert len(clinic.worklist()) == 1
    clinic.put(order(status="revoked"))
    assert clinic.worklist() == []
    clinic.put(order())
    clinic.delete("ServiceRequest", "o1")
    assert clinic.worklist() == []


def test_what_an_order_refers_to_is_followed(clinic: Clinic) -> None:
    """A changed name of the patient, an appointment that comes and goes, a station that changes its title."""
    scanner = {"resourceType": "Device", "id": "s", "identifier": [{"system": AE_TITLE, "value": "CT7"}]}
    clinic.put(scanner)
    clinic.put(order())
    clinic.put(patient(name=[{"family": "Maier"}]))
    assert len(clinic.worklist(request(PatientName="Maier"))) == 1
    appointment = {
        "resourceType": "Appointment",
        "id": "a",
        "status": "booked",
        "start": "2026-03-05T10:00:00+01:00",
        "end": "2026-03-05T10:30:00+01:00",
        "basedOn": [{"reference": "ServiceRequest/o1"}],
        "participant": [{"actor": {"reference": "Device/s"}, "status": "accepted"}],
    }
    clinic.put(appointment)
    keys = request({"ScheduledProcedureStepStartDate": "20260305", "ScheduledStationAETitle": "CT7"})
    assert len(clinic.worklist(keys)) == 1
    clinic.put(scanner | {"identifier": [{"system": AE_TITLE, "value": "CT8"}]})
    assert clinic.worklist(keys) == []
    clinic.delete("Appointment", "a")
    assert len(clinic.worklist(request({"ScheduledProcedureStepStartDate": "20260301"}))) == 1


def test_other_orders_are_not_on_the_list(clinic: Clinic) -> None:
    """One that becomes another kind leaves it."""
    laboratory = [{"coding": [{"system": SNOMED, "code": "108252007"}]}]
    other = order(category=laboratory, orderDetail=laboratory)
    clinic.put(other)
    assert clinic.store.sql("SELECT count(*) FROM scheduled_step") == [(0,)]
    clinic.put(order())
    clinic.put(other)
    assert clinic.worklist() == []


def test_a_step_without_a_station_is_for_whoever_asks(clinic: Clinic) -> None:
    """As if it were scheduled there."""
    clinic.put(order())
    for asked, expected in (("CT5", "CT5"), (None, "CT1")):
        (item,) = clinic.worklist(request({"ScheduledStationAETitle": asked}))
        assert item["00400100"]["Value"][0]["00400001"]["Value"] == [expected]


def test_identifiers_stay(clinic: Clinic) -> None:
    """Whatever else changes, and each order has its own."""
    clinic.put(order())
    keys = request({"ScheduledProcedureStepID": None}, AccessionNumber=None, StudyInstanceUID=None)
    (before,) = clinic.worklist(keys)
    clinic.put(order(status="on-hold"))
    clinic.put(order(occurrenceDateTime="2026-02-28T08:30:00+01:00"), order("o2"))
    first, second = clinic.worklist(keys)
    assert first == before
    assert all(first[tag] != second[tag] for tag in ("00080050", "0020000D", "00400100"))


def plans(status: str = "requested") -> list[dict[str, Any]]:
    """What plans the order: a task, an appointment, and the visit."""
    based = [{"reference": "ServiceRequest/o1"}]
    return [
        {"resourceType": "Task", "id": "t", "status": status, "intent": "order", "basedOn": based},
        {
            "resourceType": "Appointment",
            "id": "a",
            "status": "booked",
            "start": "2026-03-01T08:30:00+01:00",
            "end": "2026-03-01T09:00:00+01:00",
            "basedOn": based,
            "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"}],
        },
        {
            "resourceType": "Encounter",
            "id": "e",
            "status": "planned",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
            "subject": {"reference": "Patient/p"},
        },
        order(encounter={"reference": "Encounter/e"}),
    ]


def statuses(clinic: Clinic) -> list[str]:
    """Of order, task, appointment and visit."""
    named = (("ServiceRequest", "o1"), ("Task", "t"), ("Appointment", "a"), ("Encounter", "e"))
    return [clinic.get(*one)["status"] for one in named]


@pytest.mark.spec("DICOM PS3.4 F.7.2.1.3")
def test_a_day_of_a_step(clinic: Clinic) -> None:
    """Begun, ended, and what that makes of order, task, appointment, visit and worklist."""
    clinic.put(*plans())
    assert statuses(clinic) == ["active", "requested", "booked", "planned"]
    clinic.begin()
    assert statuses(clinic) == ["active", "in-progress", "arrived", "in-progress"]
    (item,) = clinic.worklist(request({"ScheduledProcedureStepStatus": None}))
    assert item["00400100"]["Value"][0]["00400020"]["Value"] == ["STARTED"]
    made = clinic.get("Procedure", procedure_id(UID))
    assert made["status"] == "in-progress"
    assert made["basedOn"] == [{"reference": "ServiceRequest/o1"}]
    assert made["subject"] == {"reference": "Patient/p"}
    assert made["encounter"] == {"reference": "Encounter/e"}
    assert made["performedPeriod"] == {"start": "2026-03-01"}
    assert made["code"]["coding"] == [
        {"system": "http://snomed.info/sct", "code": "303653007", "display": "CT of head"}
    ]
    clinic.set(ended())
    assert statuses(clinic) == ["completed", "completed", "fulfilled", "in-progress"]
    assert clinic.worklist() == []
    made = clinic.get("Procedure", procedure_id(UID))
    assert (made["status"], made["performedPeriod"]["end"]) == ("completed", "2026-03-01")
    assert [one["actor"]["display"] for one in made["performer"]] == ["Anna Röntgen", "Irène Curie", "Scanner"]


@pytest.mark.spec("DICOM PS3.4 F.1.5")
def test_a_discontinued_step_waits_for_somebody_to_decide(clinic: Clinic) -> None:
    """Its order is on hold; who activates it has it on the list again."""
    clinic.put(*plans())
    clinic.begin()
    reason = [code("110513", "DCM", "Discontinued for unspecified reason")]
    clinic.set(ended("DISCONTINUED", PerformedProcedureStepDiscontinuationReasonCodeSequence=reason))
    assert statuses(clinic)[:2] == ["on-hold", "failed"]
    made = clinic.get("Procedure", procedure_id(UID))
    assert (made["status"], made["statusReason"]["coding"][0]["code"]) == ("stopped", "110513")
    assert clinic.worklist() == []
    clinic.put(order(encounter={"reference": "Encounter/e"}))
    clinic.begin(uid=f"{UID}.2")
    clinic.set(ended(), uid=f"{UID}.2")
    assert statuses(clinic)[:2] == ["completed", "completed"]


def test_a_step_that_was_begun_by_mistake_is_on_the_list_again(clinic: Clinic) -> None:
    """As if nothing had been."""
    clinic.put(*plans("ready"))
    clinic.begin()
    reason = [code("110514", "DCM", "Incorrect worklist entry selected")]
    clinic.set(ended("DISCONTINUED", PerformedProcedureStepDiscontinuationReasonCodeSequence=reason))
    assert statuses(clinic)[:2] == ["active", "ready"]
    assert len(clinic.worklist()) == 1


def test_images_name_the_order_and_the_procedure(clinic: Clinic) -> None:
    """By the study that the worklist gave them, whichever comes first."""
    clinic.put(order(identifier=[{"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}]))
    clinic.store.add(part10(data_set(1, 1, 1, StudyInstanceUID=STUDY, PatientID="mrn-1", AccessionNumber="")))
    clinic.settle()
    found = clinic.get("ImagingStudy", imaging_study_id(STUDY))
    assert [one["reference"] for one in found["basedOn"]] == ["ServiceRequest/o1"]
    assert "procedureReference" not in found
    clinic.begin()
    found = clinic.get("ImagingStudy", imaging_study_id(STUDY))
    assert found["procedureReference"] == {"reference": f"Procedure/{procedure_id(UID)}"}
    assert found["subject"] == {"reference": "Patient/p"}


def test_images_with_the_number_that_the_worklist_made_name_the_order(clinic: Clinic) -> None:
    """Though the order has no accession number, and the modality made a study of its own."""
    clinic.put(order())
    ((number,),) = clinic.store.sql("SELECT accession FROM scheduled_step")
    clinic.store.add(part10(data_set(1, 1, 1, StudyInstanceUID=STUDY, PatientID="mrn-1", AccessionNumber=number)))
    clinic.settle()
    found = clinic.get("ImagingStudy", imaging_study_id(STUDY))
    assert [one["reference"] for one in found["basedOn"]] == ["ServiceRequest/o1"]


def test_other_peoples_images_name_no_order(clinic: Clinic) -> None:
    """Whatever study they say they are of."""
    clinic.put(order(identifier=[{"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}]))
    clinic.store.add(part10(data_set(1, 1, 1, StudyInstanceUID=STUDY, PatientID="another", AccessionNumber="")))
    clinic.settle()
    assert "basedOn" not in clinic.get("ImagingStudy", imaging_study_id(STUDY))


@pytest.mark.spec("DICOM PS3.4 F.7.2.1.2")
def test_a_step_that_nobody_ordered_becomes_a_procedure(clinic: Clinic) -> None:
    """Of the patient whom its PatientID means, also of one who comes later."""
    unscheduled = {"AccessionNumber": None, "ScheduledProcedureStepID": None}
    clinic.store.run(create(MODALITY, UID, begun(unscheduled)))
    clinic.store.run(create(MODALITY, f"{UID}.2", begun(unscheduled, PatientID="mrn-2")))
    clinic.settle()
    made = clinic.get("Procedure", procedure_id(UID))
    assert (made["subject"], "basedOn" in made) == ({"reference": "Patient/p"}, False)
    assert clinic.store.sql("SELECT count(*) FROM resource WHERE id = %s", procedure_id(f"{UID}.2")) == [(0,)]
    clinic.put(patient("q", identifier=[{"system": "urn:oid:1.2.3", "value": "mrn-2"}]))
    assert clinic.get("Procedure", procedure_id(f"{UID}.2"))["subject"] == {"reference": "Patient/q"}


@pytest.mark.parametrize("number", ["mrn-2", "mrn-9"], ids=["known", "unknown"])
def test_what_is_done_with_another_patient_moves_no_order(clinic: Clinic, number: str) -> None:
    """Whatever study and step it says it is of."""
    clinic.put(patient("q", identifier=[{"system": "urn:oid:1.2.3", "value": "mrn-2"}]), *plans())
    before = statuses(clinic)
    clinic.begin(PatientID=number)
    clinic.set(ended())
    assert statuses(clinic) == before
    made = clinic.store.sql("SELECT count(*) FROM resource WHERE id = %s", procedure_id(UID))
    assert made == [(number == "mrn-2",)]
    if number == "mrn-2":
        found = clinic.get("Procedure", procedure_id(UID))
        assert found["subject"] == {"reference": "Patient/q"}
        assert not {"basedOn", "encounter"} & found.keys()


def test_an_order_moves_nothing_of_another_patient(clinic: Clinic) -> None:
    """Whatever visit it names, and whatever names it."""
    task, appointment, encounter, ordered = plans()
    other = {"reference": "Patient/q"}
    clinic.put(
        patient("q", identifier=[{"value": "mrn-9"}]),
        task | {"for": other},
        appointment | {"participant": [{"actor": other, "status": "accepted"}]},
        encounter | {"subject": other},
        ordered,
    )
    clinic.begin()
    clinic.set(ended())
    assert statuses(clinic) == ["completed", "requested", "booked", "planned"]


def test_the_issuer_tells_patients_with_one_number_apart(clinic: Clinic) -> None:
    """A step of a number by another issuer is not the ordered patient's."""
    clinic.put(order())
    clinic.begin(IssuerOfPatientID="elsewhere")
    assert clinic.store.sql("SELECT pat FROM performed_step") == [(None,)]


def test_what_others_add_to_a_procedure_stays(clinic: Clinic) -> None:
    """Labels above all."""
    clinic.put(order())
    clinic.begin()
    label = {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}
    made = clinic.get("Procedure", procedure_id(UID))
    clinic.put(made | {"meta": label, "outcome": {"text": "well"}})
    clinic.set(ended())
    made = clinic.get("Procedure", procedure_id(UID))
    assert (made["status"], made["outcome"], made["meta"]["security"]) == (
        "completed",
        {"text": "well"},
        label["security"],
    )


@pytest.mark.spec("DICOM PS3.4 F.7.2.1.1")
def test_performed_steps_are_made_once_and_changed_by_their_maker(clinic: Clinic) -> None:
    """0111H, 0124H, 0112H."""
    clinic.put(order())
    clinic.begin()
    other = AccessContext(MODALITY.scopes, Origin(client="MR1"))
    for work, status in (
        (create(MODALITY, UID, begun()), 0x0111),
        (set_step(other, UID, ended()), 0x0124),
        (set_step(MODALITY, f"{UID}.9", ended()), 0x0112),
        (set_step(MODALITY, "nonsense", ended()), 0x0112),
        (retrieve(other, f"{UID}.9", ()), 0x0112),
        (create(MODALITY, "1.02", begun()), 0x0106),
        (create(MODALITY, f"{UID}.8", begun({"StudyInstanceUID": "1.02"})), 0x0106),
    ):
        with pytest.raises(RefusedError) as caught:
            clinic.store.run(work)
        assert caught.value.status == status
    assert list(clinic.store.run(retrieve(other, UID, ["00400252"]))[0]) == ["00400252"]
    assert len(clinic.store.run(retrieve(other, UID, ()))[0]) > 20


def test_who_may_not_see_a_patient_sees_nothing_of_the_worklist(clinic: Clinic) -> None:
    """No scope, another patient's, and hidden performed steps answer like none."""
    clinic.put(order())
    clinic.begin()
    assert len(clinic.worklist(access=caller("system/ServiceRequest.s"))) == 1
    assert clinic.worklist(access=caller("patient/ServiceRequest.s", pat=-1)) == []
    for scope in ("system/Task.s", "system/ServiceRequest.r", "system/Procedure.cruds"):
        with pytest.raises(HealixError, match="scope does not allow"):
            clinic.worklist(access=caller(scope))
    with pytest.raises(RefusedError, match="no such"):
        clinic.store.run(retrieve(caller("patient/Procedure.r", pat=-1), UID, ()))
    with pytest.raises(HealixError, match="scope does not allow"):
        clinic.store.run(set_step(caller("system/Procedure.r"), UID, ended()))
    with pytest.raises(HealixError, match="scope does not allow"):
        clinic.store.run(create(caller("system/ServiceRequest.s"), f"{UID}.3", begun()))
    with pytest.raises(RefusedError, match="may not be created") as caught:
        clinic.store.run(create(caller("patient/Procedure.c", pat=-1), f"{UID}.3", begun()))
    assert caught.value.status == 0x0124


def test_everything_is_in_the_trail(clinic: Clinic) -> None:
    """With the patient whom it is about."""
    clinic.put(order())
    clinic.begin()
    clinic.set(ended())
    clinic.store.run(retrieve(MODALITY, UID, ()))
    rows = clinic.store.sql(
        "SELECT action, subtype, patient, entity FROM audit_event WHERE client = 'CT1' ORDER BY seq"
    )
    assert rows == [
        ("E", "query-worklist", "p", None),
        ("C", "performed-step-create", "p", UID),
        ("U", "performed-step-change", "p", UID),
        ("R", "performed-step-retrieve", "p", UID),
    ]


def test_long_lists_come_page_by_page(clinic: Clinic) -> None:
    """In the order in which the steps begin, each once."""
    clinic.put(*(order(f"o{n}", occurrenceDateTime=f"2026-03-{n % 28 + 1:02}T08:30:00Z") for n in range(700)))
    asked = query(request({"ScheduledProcedureStepStartDate": None, "ScheduledProcedureStepID": None}), "CT1")
    first = clinic.store.run(search(MODALITY, asked))
    assert first.after is not None
    second = clinic.store.run(search(MODALITY, asked, first.after))
    assert second.after is None
    steps = [one["00400100"]["Value"][0] for one in (*first.answers, *second.answers)]
    dates = [one["00400002"]["Value"][0] for one in steps]
    assert (len({one["00400009"]["Value"][0] for one in steps}), dates) == (700, sorted(dates))


def test_for_what_is_scheduled_the_past_is_not_read(clinic: Clinic) -> None:
    """Modalities ask by status: steps that have left the list cost them nothing."""
    clinic.put(*(order(f"old{n}", status="revoked", occurrenceDateTime="2026-02-01") for n in range(3)), order())
    with patch.object(searching, "PAGE", 2):
        found = clinic.store.run(search(MODALITY, query(request({"ScheduledProcedureStepStatus": "SCHEDULED"}), "CT1")))
    assert (len(found.answers), found.after) == (1, None)


NARROWED: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({}, {"PatientID": "mrn-1"}),
    ({}, {"PatientID": ["mrn-1", "mrn-9"]}),
    ({}, {"PatientID": "MRN-1"}),
    ({}, {"PatientID": "mrn*"}),
    ({}, {"PatientID": " mrn-1 "}),
    ({}, {"AccessionNumber": "A-1"}),
    ({}, {"StudyInstanceUID": [STUDY, f"{STUDY}.1"]}),
    ({"Modality": "CT"}, {}),
    ({"Modality": ["CT", "MR"]}, {}),
    ({"Modality": "C?"}, {}),
    ({"ScheduledStationAETitle": "CT7"}, {}),
    ({"ScheduledStationAETitle": "CT*"}, {}),
    ({"ScheduledProcedureStepStartDate": "20260301"}, {}),
    ({"ScheduledProcedureStepStartDate": "-20260301"}, {}),
    ({"ScheduledProcedureStepStartDate": "20260302-"}, {}),
    ({"ScheduledProcedureStepStartDate": "*"}, {}),
    ({"ScheduledProcedureStepStartDate": "20260301-20260302", "ScheduledProcedureStepStartTime": "0900-0800"}, {}),
    ({"ScheduledProcedureStepStatus": "*"}, {}),
    ({"ScheduledProcedureStepStatus": "CANCELED"}, {}),
    ({"ScheduledProcedureStepStatus": "SCHEDULED"}, {}),
    ({"ScheduledProcedureStepStatus": ["READY", "SCHEDULED"]}, {}),
    ({"ScheduledProcedureStepStatus": ["CANCELED", "SCHEDULED"]}, {}),
    ({"ScheduledProcedureStepStatus": "SCHED*"}, {}),
    ({"ScheduledProcedureStepID": "S000000001"}, {}),
)


def test_what_the_database_narrows_by_loses_no_match(clinic: Clinic) -> None:
    """Whatever the keys, the answer is that of matching each item by itself."""
    station = {"reference": "Device/s"}
    clinic.put(
        {"resourceType": "Device", "id": "s", "identifier": [{"system": AE_TITLE, "value": "CT7"}]},
        patient("q", identifier=[{"value": "mrn-9"}]),
        order("o1", identifier=[{"system": "urn:dicom:uid", "value": f"urn:oid:{STUDY}"}]),
        order("o2", performer=[station], occurrenceDateTime="2026-03-02T07:59:59Z", subject={"reference": "Patient/q"}),
        order("o3", orderDetail=[{"coding": [{"system": DCM, "code": "MR"}]}], occurrenceDateTime="2026-02-28"),
        order("o4", status="revoked", identifier=[{"type": ACCESSION, "value": "A-1"}]),
        order("o5", identifier=[{"type": ACCESSION, "value": "A-1"}]),
    )
    assert len(clinic.worklist()) == 4
    counts, narrowed = [], searching._narrowed
    for step, keys in NARROWED:
        asked = query(request(step or None, **keys), "CT1")
        found = clinic.store.run(search(MODALITY, asked)).answers
        with patch.object(searching, "_narrowed", lambda asked: [next(narrowed(asked))]):  # that it is on the list
            counts.append(len(found))
            assert len(clinic.store.run(search(MODALITY, asked)).answers) == len(found), (step, keys)
    assert set(counts) >= {0, 1, 2, 4}
