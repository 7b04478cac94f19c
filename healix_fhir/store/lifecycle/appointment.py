"""The life of an Appointment by `model.appointment`, and what of it is not for patients to say.

A patient asks for a time, takes a slot that is free, and cancels. That somebody has come, or has not, the clinic says;
and so it does that a time is agreed which no calendar has, how urgent it is, and that a slot is kept for long. Who
stands where in the waiting list follows from this, and from when the Appointment was made.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html#statuses
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from healix_fhir.kernel import clock
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.appointment import HOLD, held_until, refuse_move
from healix_fhir.store.lifecycle.step import Actor, Step, refused

OF_CLINIC = frozenset({"arrived", "checked-in", "fulfilled", "noshow"})
LATE = timedelta(days=1)
"""How long ago what is new may have been made."""


def rule(step: Step) -> HealixError | None:
    """Why a step is refused; None where it may be taken."""
    if step.after is None:
        return None
    if step.before is not None and (refusal := refuse_move(step.before, step.after)) is not None:
        return refusal
    return _of_patient(step, step.before or {}, step.after) if step.actor is Actor.PATIENT else None


def _of_patient(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> HealixError | None:
    if (after.get("priority") or 0) != (before.get("priority") or 0):
        return refused(step, "priority", "how urgent an appointment is the clinic says, not the patient")
    if before and before.get("created") != after.get("created"):
        return refused(step, "created", "when it was made stays as it is")
    if not before and _is_old(after.get("created")):
        return refused(step, "created", "a new appointment was made now, or today")
    if _is_kept(before, after):
        return refused(step, "status", f"a patient holds slots for {HOLD.seconds // 60} minutes at most, as by $hold")
    status = after.get("status")
    if before.get("status") == status:
        return None
    if status in OF_CLINIC:
        return refused(step, "status", f"that an appointment is {status} the clinic says, not the patient")
    if status == "booked" and not after.get("slot"):
        return refused(step, "slot", "a patient books a slot; without one an appointment is proposed, or waits")
    return None


def _is_old(created: str | None) -> bool:
    return created is not None and created[:10] < (clock.now() - LATE).date().isoformat()


def _is_kept(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether it keeps slots for longer than a patient may, and than it did."""
    if after.get("status") != "pending" or not after.get("slot"):
        return False
    until = held_until(after)
    if before.get("status") == "pending" and before.get("slot") and until == held_until(before):
        return False
    return until is None or until > clock.now() + HOLD
