"""Appointments as they are made of slots: pure.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html; Argonaut Scheduling Implementation Guide 1.0, Argonaut Appointment
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.clock import instant
from healix_fhir.model.appointment import HELD_UNTIL, moment
from healix_fhir.store.taken import local

Json = Mapping[str, Any]
NOTHING: Json = MappingProxyType({})
OF_BOTH = ("serviceCategory", "serviceType", "specialty")
"""What Slot and Schedule say of what they are for; an Appointment says it by elements of the same names."""
ACCEPTED = frozenset({"booked", "arrived", "fulfilled", "checked-in"})


def proposal(
    slots: Sequence[Json], schedules: Mapping[str, Json], status: str, patients: Sequence[str], wanted: Json = NOTHING
) -> dict[str, Any]:
    """An Appointment of `status` that takes `slots`, in order of time, for patients (`Patient/ID`).

    What `wanted` says beside is kept; of participants it names, who has a calendar or is a patient is as told here.
    """
    start, end = slots[0]["start"], max((one["end"] for one in slots), key=moment)
    actors: dict[str, Json] = {}
    for slot in slots:
        for actor in schedules.get((local(slot.get("schedule")) or ("", ""))[1], {}).get("actor", ()):
            actors.setdefault(str(actor.get("reference") or actor.get("display")), actor)
    for patient in patients:
        actors.setdefault(patient, {"reference": patient})
    named = {str(one.get("actor", {}).get("reference")): one for one in wanted.get("participant", ())}
    answered = "accepted" if status in ACCEPTED else "needs-action"
    participants = [{**named.pop(key, {"actor": actor}), "status": answered} for key, actor in actors.items()]
    rest = [one for key, one in named.items() if not _is_told(key, patients)]
    made = {name: one for name, one in wanted.items() if name not in ("id", "meta", "resourceType", "text")}
    return {
        "resourceType": "Appointment",
        **_of_both(slots[0], schedules),
        **made,
        "status": status,
        "start": start,
        "end": end,
        "minutesDuration": max(1, round((moment(end) - moment(start)).total_seconds() / 60)),
        "slot": [{"reference": f"Slot/{one['id']}"} for one in slots],
        "participant": participants + rest,
    }


def _is_told(reference: str, patients: Sequence[str]) -> bool:
    """Whether a reference is that of a patient here, as `patients` are; those of other servers are kept as they are."""
    found = local({"reference": reference})
    return found is not None and found[0] == "Patient" and ("://" not in reference or "/".join(found) in patients)


def _of_both(slot: Json, schedules: Mapping[str, Json]) -> dict[str, Any]:
    schedule = schedules.get((local(slot.get("schedule")) or ("", ""))[1], {})
    found = {name: slot.get(name) or schedule.get(name) for name in OF_BOTH}
    types = {"appointmentType": slot["appointmentType"]} if "appointmentType" in slot else {}
    return {name: value for name, value in found.items() if value} | types


def held(appointment: Mapping[str, Any], until: datetime) -> dict[str, Any]:
    """An Appointment with the end of its hold."""
    return {**released(appointment), "extension": [
        *released(appointment).get("extension", ()), {"url": HELD_UNTIL, "valueInstant": instant(until)}
    ]}  # fmt: skip


def released(appointment: Mapping[str, Any]) -> dict[str, Any]:
    """An Appointment without the end of a hold."""
    extensions = [one for one in appointment.get("extension", ()) if one.get("url") != HELD_UNTIL]
    rest = {name: value for name, value in appointment.items() if name != "extension"}
    return rest | ({"extension": extensions} if extensions else {})
