"""The Task of reading the images of an order: what it says, and where it stands; pure.

It waits (`requested`) until a reader takes it, and is completed by the first signed report of the order, which is its
output. An order that is revoked takes it away; a report that was a mistake brings it back.

Spec: FHIR R4, hl7.org/fhir/R4/task.html; IHE RAD TF-1, Reporting Workflow; PS3.16 CID 9231 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dicomweb.procedure.scheduled.states import Performed
from healix_fhir.imaging.whose import of_one_patient
from healix_fhir.kernel.clock import instant
from healix_fhir.model.imaging_report import INTERPRETATION, SIGNED, is_imaging
from healix_fhir.operation.imaging_report.signing import labelled
from healix_fhir.operation.imaging_report.task import task_id
from healix_fhir.store.lifecycle.reading_task import OPEN

Json = dict[str, Any]
ENDED = frozenset({"revoked", "entered-in-error"})
RUNNING = frozenset({Performed.STARTED, Performed.DISCONTINUED})


@dataclass(frozen=True, slots=True)
class Case:
    """An order of images with the studies made on it, its reports, and its Task, as far as there is one."""

    order: Json
    studies: Sequence[Json] = ()
    reports: Sequence[Json] = ()
    task: Json | None = None
    performed: Performed = Performed.NOTHING

    @property
    def reported(self) -> str | None:
        """The signed report of it: that which its Task names, else the first there is. What is no imaging report, which
        anybody may write in any status, is none.
        """
        signed = [
            f"DiagnosticReport/{one['id']}"
            for one in self.reports
            if one.get("status") in SIGNED and is_imaging(one) and of_one_patient(self.order, one)
        ]
        named = (one.get("valueReference", {}).get("reference") for one in (self.task or {}).get("output", ()))
        return next((one for one in named if one in signed), signed[0] if signed else None)

    @property
    def own(self) -> list[Json]:
        """The studies of the order's patient."""
        return [one for one in self.studies if of_one_patient(self.order, one) and one.get("status") == "available"]

    @property
    def complete(self) -> bool:
        """Whether all its images are there, as far as anybody says: while a step is performed, more may come."""
        if self.order.get("status") == "completed":
            return True
        return self.order.get("status") == "active" and self.performed not in RUNNING


def reading(case: Case, moment: datetime) -> Json | None:
    """The Task as it is to be; None where it stays as it is, or there is to be none."""
    if case.task is not None:
        return _followed(case, case.task, moment)
    if case.reported is not None or not case.own or not case.complete:
        return None
    order = case.order
    made: Json = _labels([order, *case.own]) | {
        "resourceType": "Task",
        "id": task_id(str(order["id"])),
        "basedOn": [{"reference": f"ServiceRequest/{order['id']}"}],
        "status": "requested",
        "intent": "order",
        "priority": order.get("priority", "routine"),
        "code": {"coding": [INTERPRETATION], "text": "Read the images and report"},
        "focus": {"reference": f"ImagingStudy/{case.own[0]['id']}"},
        "for": order["subject"],
        "authoredOn": instant(moment),
        "lastModified": instant(moment),
    }
    return made | {name: order[name] for name in ("encounter", "requester") if name in order}


def _followed(case: Case, task: Json, moment: datetime) -> Json | None:
    """A Task that is there as it is to be; None where it stays. One whose images are not the patient's any more is
    about those that are.
    """
    status = _status(case, task) or task.get("status")
    before = {name: one for name, one in task.items() if name != "meta"} | labelled(task)
    changed = {name: one for name, one in before.items() if name != "output"} | {"status": status}
    changed |= output(case.reported)
    own = [f"ImagingStudy/{one['id']}" for one in case.own]
    if status in OPEN and own and task.get("focus", {}).get("reference") not in own:
        changed["focus"] = {"reference": own[0]}
    if status == "requested" != task.get("status"):
        changed.pop("owner", None)
    return changed | {"lastModified": instant(moment)} if changed != before else None


def _labels(resources: Sequence[Json]) -> Json:
    """The security labels of what a Task names: what hides that hides the Task."""
    found: list[Json] = []
    for one in resources:
        found += [each for each in one.get("meta", {}).get("security", ()) if each not in found]
    return {"meta": {"security": found}} if found else {}


def ordered(case: Case) -> Json | None:
    """The order as it is once its report is signed; None where it stays as it is."""
    if case.reported is None or case.order.get("status") != "active":
        return None
    kept = {name: one for name, one in case.order.items() if name != "meta"}
    return kept | labelled(case.order) | {"status": "completed"}


def output(report: str | None) -> Json:
    """Task.output: the report that came of it."""
    if report is None:
        return {}
    return {"output": [{"type": {"text": "Imaging report"}, "valueReference": {"reference": report}}]}


def _status(case: Case, task: Json) -> str | None:
    """Where the Task is to stand; None where it stays."""
    status = task.get("status")
    if case.reported is not None:
        return "completed" if status != "completed" else None
    if case.order.get("status") in ENDED or not case.own:
        return "cancelled" if status in (*OPEN, "completed") else None
    if status == "completed":
        return "requested"
    return "requested" if status == "cancelled" and case.complete else None
