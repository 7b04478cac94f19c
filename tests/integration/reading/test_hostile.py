"""Reports by those who mean harm, or whose patient, study or report becomes another while it waits to be filed."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import httpx
import pytest

from healix_fhir.search.security_labels import clearance
from healix_fhir.store.lifecycle.communication import CATEGORY, NOTIFICATION
from smart_auth.account.clearance import clear
from tests.integration.reading.test_cases import taking
from tests.integration.reading.test_reports import URL, parameters, written
from tests.support.reading import ReadingRoom, draft

Json = dict[str, Any]
R = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
LOINC = "http://loinc.org"


def addendum(author: str) -> Json:
    """What is taken for an addendum of somebody."""
    return {
        "resourceType": "Observation", "id": "addendum-1", "status": "final", "valueString": "All is well.",
        "code": {"coding": [{"system": LOINC, "code": "55107-7"}]}, "performer": [{"reference": author}],
    }  # fmt: skip


def trail(report: str) -> Json:
    """A Provenance that looks like a signature of ben."""
    return {
        "resourceType": "Provenance",
        "target": [{"reference": report}, {"reference": "Patient/p"}],
        "recorded": "2026-03-01T10:00:00Z",
        "activity": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-DocumentCompletion", "code": "LA"}]
        },
        "agent": [{"who": {"reference": "Practitioner/ben"}}],
    }


def waiting(room: ReadingRoom) -> Json:
    """The task of the order o1."""
    (task,) = room.found("Task?based-on=ServiceRequest/o1")
    return task


def test_what_is_no_imaging_report_ends_no_case(shared: ReadingRoom) -> None:
    """By a practitioner or a patient, in whatever status: it is the one kind that they may write as final."""
    plain = {name: one for name, one in draft(waiting(shared)).items() if name not in ("category", "imagingStudy")}
    with shared.as_("ann") as ann, shared.server.client("patient/*.cruds", patient="p", username="pat") as own:
        for client in (ann, own):
            written(client, plain | {"status": "final"})
    shared.settle()
    assert waiting(shared)["status"] == "requested"


def test_nobody_signs_past_the_reader_of_a_case(shared: ReadingRoom) -> None:
    """However the order is written: with the address of the server, with a version, or beside what is no order."""
    base, task = f"{shared.server.settings.fhir_base}", waiting(shared)
    with shared.as_("ann") as ann, shared.as_("ben") as ben:
        assert taking(ben, task["id"], "ben").is_success
        for reference in (f"{base}/ServiceRequest/o1", "ServiceRequest/o1/_history/1"):
            made = written(ann, draft(task, basedOn=[{"reference": reference}]))
            assert ann.post(f"{URL}/{made['id']}/$sign").status_code == 409, reference
        other = {"reference": "ImagingStudy/elsewhere/_history/1"}
        shared.put({"resourceType": "ImagingStudy", "id": "elsewhere", "status": "available",
                    "subject": {"reference": "Patient/q"}})  # fmt: skip
        shared.put(draft(task, id="both", imagingStudy=[task["focus"], other]))
        assert "none of this patient" in ben.post(f"{URL}/both/$sign").text
        steps = [{"op": "remove", "path": "/owner"}, {"op": "replace", "path": "/status", "value": "requested"}]
        json_patch = {"Content-Type": "application/json-patch+json"}
        assert ben.patch(f"/fhir/Task/{task['id']}", json=steps, headers=json_patch).is_success


def test_nobody_signs_for_another(shared: ReadingRoom) -> None:
    """Neither by an addendum in a draft nor by the Provenance of a signature."""
    with shared.as_("ann") as ann, shared.server.client("patient/*.cruds", patient="p", username="pat") as own:
        given = draft(waiting(shared))
        given["contained"].append(addendum("Practitioner/ben"))
        given["result"].append({"reference": "#addendum-1"})
        made = written(ann, given)
        refused = ann.post(f"{URL}/{made['id']}/$sign")
        assert (refused.status_code, "no addendum" in refused.text) == (422, True)
        for client in (ann, own):
            answer = client.post("/fhir/Provenance", json=trail(f"DiagnosticReport/{made['id']}"))
            assert (answer.status_code, "$sign" in answer.text) == (422, True), answer.text


def test_no_patient_tells_who_ordered(shared: ReadingRoom) -> None:
    """That there is a report to be read now: it would stand among what the server tells them."""
    told = {
        "resourceType": "Communication", "status": "completed", "priority": "urgent",
        "subject": {"reference": "Patient/p"},
        "category": [{"coding": [{"system": CATEGORY, "code": NOTIFICATION}]}],
        "about": [{"reference": "DiagnosticReport/x"}],
        "recipient": [{"reference": "Practitioner/ref"}], "payload": [{"contentString": "Call this number."}],
    }  # fmt: skip
    with shared.server.client("patient/*.cruds", patient="p", username="pat") as own:
        answer = own.post("/fhir/Communication", json=told)
        assert (answer.status_code, "by the server" in answer.text) == (422, True), answer.text


def test_a_report_has_an_end(shared: ReadingRoom) -> None:
    """What takes minutes to set is not signed."""
    with shared.as_("ann") as ann:
        made = written(ann, draft(waiting(shared), conclusion="x" * 500_001))
        refused = ann.post(f"{URL}/{made['id']}/$sign")
        assert (refused.status_code, "at most" in refused.text) == (422, True), refused.text


def signed(client: httpx.Client, task: Json) -> Json:
    """A report that is signed and not filed."""
    answer = client.post(f"{URL}/{written(client, draft(task))['id']}/$sign")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.mark.parametrize("becomes", ["hidden", "mistake", "deleted"])
def test_what_a_report_becomes_before_it_is_filed(room: ReadingRoom, becomes: str) -> None:
    """One that is hidden meanwhile does not go into its study; one that was a mistake, or is deleted, nowhere. Then the
    case waits again.
    """
    task = room.case()
    with room.as_("ann") as ann, room.system() as system:
        report = signed(ann, task)
        address = f"{URL}/{report['id']}"
        if becomes == "deleted":
            assert system.delete(address).is_success
        else:
            changed = {"meta": {"security": [R]}} if becomes == "hidden" else {"status": "entered-in-error"}
            assert ann.put(address, json=report | changed).is_success
    room.settle()
    with room.system() as system:
        study = room.get(task["focus"]["reference"])["identifier"][0]["value"].removeprefix("urn:oid:")
        found = system.get(f"/dicomweb/studies/{study}/series?Modality=SR")
        assert (found.json() if found.status_code == 200 else []) == []
    documents = room.found("DocumentReference?subject=Patient/p")
    assert [one["meta"]["security"][0]["code"] for one in documents] == (["R"] if becomes == "hidden" else [])
    assert room.get(f"Task/{task['id']}")["status"] == ("completed" if becomes == "hidden" else "requested")


def test_a_report_of_an_order_that_is_hidden(room: ReadingRoom) -> None:
    """Its Task, and what it is filed as, are as hidden: they say what was ordered."""
    task = room.case(meta={"security": [R]})
    assert task["meta"]["security"] == [R]
    assert room.found("Task?status=requested", room.as_("ann")) == []
    room.run(clear("ann", clearance(["R"])))
    with room.as_("ann") as ann:
        signed(ann, task)
    room.settle()
    for kind in ("DocumentReference", "Communication"):
        (made,) = room.found(f"{kind}?subject=Patient/p")
        assert [one["code"] for one in made["meta"]["security"]] == ["R"], kind


def test_a_study_that_is_deleted_takes_its_case_away(room: ReadingRoom) -> None:
    """As one that was another patient's; the right images bring the case back."""
    task = room.case()
    study = room.get(task["focus"]["reference"])
    with room.system() as system:
        uid = study["identifier"][0]["value"].removeprefix("urn:oid:")
        assert system.delete(f"/dicomweb/studies/{uid}").is_success
    room.settle()
    assert room.get(f"Task/{task['id']}")["status"] == "cancelled"
    room.images("1.2.3.4", 2, AccessionNumber=study["identifier"][1]["value"])
    again = room.get(f"Task/{task['id']}")
    assert again["status"] == "requested"
    assert again["focus"] != task["focus"]


def test_a_report_of_a_patient_who_is_merged_before_it_is_filed(room: ReadingRoom) -> None:
    """It is filed as of the Patient who stays, and in the study."""
    task = room.case()
    with room.as_("ann") as ann:
        report = signed(ann, task)
    given = parameters(source_patient={"valueReference": {"reference": "Patient/p"}},
                       target_patient={"valueReference": {"reference": "Patient/q"}})  # fmt: skip
    with room.system() as system, patch.object(ReadingRoom, "jobs", return_value=0):
        answer = system.post("/fhir/Patient/$merge", json=given)
        assert answer.is_success, answer.text
        room.settle()
    room.settle()
    (document,) = room.found("DocumentReference?status=current")
    assert document["subject"] == {"reference": "Patient/q"}
    assert room.get(f"DiagnosticReport/{report['id']}")["presentedForm"]
    with room.system() as system:
        study = room.get(task["focus"]["reference"])["identifier"][0]["value"].removeprefix("urn:oid:")
        assert system.get(f"/dicomweb/studies/{study}/series?Modality=SR").status_code == 200


def test_a_mistake_takes_its_document_back(room: ReadingRoom) -> None:
    """What was filed as current is none any more when the report was all wrong; who ordered is told so, once."""
    task = room.case()
    with room.pool.connection() as connection:
        connection.execute("UPDATE account SET mail = username || '@example.org'")
    with room.as_("ann") as ann:
        report = signed(ann, task)
        room.settle()
        for text in ("A mistake.", "Of somebody else."):
            now = room.get(f"DiagnosticReport/{report['id']}")
            wrong = {"status": "entered-in-error", "meta": {"security": [R | {"code": "N"}], "tag": [{"code": text}]}}
            assert ann.put(f"{URL}/{report['id']}", json=now | wrong).is_success
            room.settle()
    assert [one["status"] for one in room.found("DocumentReference?subject=Patient/p")] == ["entered-in-error"]
    told = room.found("Communication?recipient=Practitioner/ref&_sort=-sent", room.as_("ref"))
    assert ["taken back" in one["payload"][0]["contentString"] for one in told] == [True, False]
    assert told[0]["about"] == told[1]["about"]
    with room.pool.connection() as connection:
        mails = connection.execute("SELECT recipient, subject FROM mail ORDER BY subject").fetchall()
    assert mails == [("ref@example.org", "A new report"), ("ref@example.org", "A report was taken back")]


def test_an_amended_report_that_came_from_elsewhere(room: ReadingRoom) -> None:
    """Its document replaces none of ours."""
    task = room.case()
    uid = {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}
    room.put(draft(task, id="r", status="final", identifier=[uid]))
    with room.as_("ann") as ann:
        given = parameters(status={"valueCode": "appended"}, addendum={"valueString": "Seen."})
        answer = ann.post(f"{URL}/r/$amend", json=given)
        assert answer.status_code == 200, answer.text
    room.settle()
    (document,) = room.found("DocumentReference?subject=Patient/p")
    assert "relatesTo" not in document
