"""What a performed step makes of the resources that ordered and planned it; pure.

A ServiceRequest has no status for being under way: that is what Tasks and Procedures have. An order whose step was
discontinued is put on hold, for somebody to decide: to activate it puts it on the worklist again, to revoke it ends it.
A visit is more than its images: an Encounter begins by them, and does not end.

Spec: FHIR R4, hl7.org/fhir/R4/task.html#statemachine, request.html#statemachine, appointment.html, encounter.html;
PS3.4 F.1.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dicomweb.procedure.scheduled.states import Performed

_OPEN_TASK = ("draft", "requested", "received", "accepted", "ready", "on-hold")
_OPEN_APPOINTMENT = ("pending", "booked", "checked-in")
_BEFORE_VISIT = dict.fromkeys(("planned", "arrived", "triaged"), "in-progress")

MOVES: Mapping[str, Mapping[Performed, Mapping[str, str]]] = {
    "ServiceRequest": {
        Performed.COMPLETED: {"active": "completed"},
        Performed.DISCONTINUED: {"active": "on-hold"},
    },
    "Task": {
        Performed.STARTED: dict.fromkeys((*_OPEN_TASK, "failed"), "in-progress"),
        Performed.COMPLETED: dict.fromkeys((*_OPEN_TASK, "in-progress", "failed"), "completed"),
        Performed.DISCONTINUED: {"in-progress": "failed"},
        Performed.NOTHING: {"in-progress": "ready"},  # it was begun by mistake
    },
    "Appointment": {
        Performed.STARTED: dict.fromkeys(_OPEN_APPOINTMENT, "arrived"),
        Performed.COMPLETED: dict.fromkeys((*_OPEN_APPOINTMENT, "arrived"), "fulfilled"),
    },
    "Encounter": {
        Performed.STARTED: _BEFORE_VISIT,
        Performed.COMPLETED: _BEFORE_VISIT,
    },
}
"""The next status by type, by how the scheduled step stands, and by the present status; all others stay."""


def moved(resource: Mapping[str, Any], performed: Performed) -> dict[str, Any] | None:
    """The resource with its next status; None where it stays as it is."""
    status = MOVES[resource["resourceType"]].get(performed, {}).get(resource.get("status", ""))
    return (
        None
        if status is None
        else {name: one for name, one in resource.items() if name != "meta"} | _meta(resource) | {"status": status}
    )


def _meta(resource: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: one for name, one in resource.get("meta", {}).items() if name in ("profile", "security", "tag")}
    return {"meta": kept} if kept else {}
