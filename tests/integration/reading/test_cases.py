"""The reading list as Tasks: made when the images of an order are there, taken by one reader, given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.support.procedure import order
from tests.support.reading import ReadingRoom, draft

Json = dict[str, Any]
WAITING = "Task?code=http://dicom.nema.org/resources/ontology/DCM|110005&status=requested"
PATCH = {"Content-Type": "application/json-patch+json"}


def taking(client: httpx.Client, task: str, name: str) -> httpx.Response:
    """Take a case by a patch that says nothing of the version."""
    owner = {"op": "add", "path": "/owner", "value": {"reference": f"Practitioner/{name}"}}
    status = {"op": "replace", "path": "/status", "value": "in-progress"}
    return client.patch(f"/fhir/Task/{task}", json=[owner, status], headers=PATCH)


def giving(client: httpx.Client, task: str) -> httpx.Response:
    """Give a case back."""
    steps = [{"op": "remove", "path": "/owner"}, {"op": "replace", "path": "/status", "value": "requested"}]
    return client.patch(f"/fhir/Task/{task}", json=steps, headers=PATCH)


@pytest.mark.spec("FHIR R4 task.html")
def test_a_case_is_there_when_the_images_are(shared: ReadingRoom) -> None:
    """With its order, study, patient and priority; found by modality by those who care, and by nobody else."""
    (task,) = shared.found(f"{WAITING}&focus:ImagingStudy.modality=CT", shared.as_("ann"))
    assert task["for"] == {"reference": "Patient/p"}
    assert (task["intent"], task["priority"], "owner" in task) == ("order", "routine", False)
    assert shared.found(f"{WAITING}&focus:ImagingStudy.modality=MR", shared.as_("ann")) == []
    assert shared.found(WAITING, shared.as_("out")) == []
    assert shared.found(WAITING, shared.as_("ann", "user/Task.rs")) == [task]
    with shared.as_("ann", "user/Patient.rs") as scoped, shared.server.client() as nobody:
        assert scoped.get(f"/fhir/{WAITING}").status_code == 403
        assert nobody.get(f"/fhir/{WAITING}").status_code == 401
    with shared.as_("out") as stranger:
        assert taking(stranger, task["id"], "out").status_code == 404
    assert shared.get("ServiceRequest/o1")["status"] == "completed"


def test_one_reader_takes_a_case(shared: ReadingRoom) -> None:
    """Of two at once one gets it; the other gets it when it was given back."""
    (task,) = shared.found(WAITING)
    with shared.as_("ann") as ann, shared.as_("ben") as ben, ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(taking, client, task["id"], name) for client, name in ((ann, "ann"), (ben, "ben"))]
        answers = [one.result() for one in tries]
        assert sorted(one.status_code for one in answers) == [200, 409], [one.text for one in answers]
        winner, loser = (ann, ben) if answers[0].is_success else (ben, ann)
        assert giving(loser, task["id"]).status_code == 409
        assert giving(winner, task["id"]).status_code == 200
        for_another = taking(loser, task["id"], "ref")
        assert (for_another.status_code, "for themselves" in for_another.text) == (422, True)
        completed = [{"op": "replace", "path": "/status", "value": "completed"}]
        assert loser.patch(f"/fhir/Task/{task['id']}", json=completed, headers=PATCH).status_code == 422
        elsewhere = [{"op": "replace", "path": "/for/reference", "value": "Patient/q"}]
        assert not loser.patch(f"/fhir/Task/{task['id']}", json=elsewhere, headers=PATCH).is_success
        assert loser.delete(f"/fhir/Task/{task['id']}").status_code == 422
        made = {name: one for name, one in task.items() if name != "id"}
        assert loser.post("/fhir/Task", json=made).status_code == 422
    with shared.server.client("patient/*.cruds", patient="p", username="pat") as own:
        assert taking(own, task["id"], "ann").status_code == 422


def test_a_report_from_elsewhere_ends_a_case_and_a_mistake_brings_it_back(room: ReadingRoom) -> None:
    """As one of another record keeper; an order that is revoked takes the case away."""
    task = room.case()
    room.put(draft(task, id="r1", status="final"))
    done = room.get(f"Task/{task['id']}")
    assert (done["status"], done["output"][0]["valueReference"]) == (
        "completed",
        {"reference": "DiagnosticReport/r1"},
    )
    room.put(draft(task, id="r1", status="entered-in-error"))
    assert room.get(f"Task/{task['id']}")["status"] == "requested"
    room.put(order(status="revoked"))
    assert room.get(f"Task/{task['id']}")["status"] == "cancelled"


def test_images_without_a_step_make_a_case_and_complete_the_order(room: ReadingRoom) -> None:
    """As of modalities that tell nothing of what they perform; images of another patient make none."""
    room.put(order("o2", priority="stat"))
    item = room.item()
    room.images("1.2.3.4.5", 2, PatientID="mrn-2", AccessionNumber=item["AccessionNumber"])
    assert room.found(WAITING) == []
    room.images(item["StudyInstanceUID"], 1, AccessionNumber=item["AccessionNumber"])
    (task,) = room.found(f"{WAITING}&priority=stat")
    assert room.get("ServiceRequest/o2")["status"] == "active"
    room.put(draft(task, id="r2", status="final"))
    assert room.get("ServiceRequest/o2")["status"] == "completed"
    assert room.found(WAITING) == []
