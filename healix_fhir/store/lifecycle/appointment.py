"""The life of an Appointment by `model.appointment`, and what of it is not for patients to say.

A patient asks for a time, takes a slot that is free, and cancels. That somebody has come, or has not, the clinic says;
and so it does that a time is agreed which no calendar has.

Spec: FHIR R4, hl7.org/fhir/R4/appointment.html#statuses
"""

from __future__ import annotations

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.appointment import refuse_move
from healix_fhir.store.lifecycle.step import Actor, Step, refused

OF_CLINIC = frozenset({"arrived", "checked-in", "fulfilled", "noshow"})


def rule(step: Step) -> HealixError | None:
    """Why a step is refused; None where it may be taken."""
    if step.after is None:
        return None
    if step.before is not None and (refusal := refuse_move(step.before, step.after)) is not None:
        return refusal
    status = step.after.get("status")
    if step.actor is not Actor.PATIENT or (step.before is not None and step.before.get("status") == status):
        return None
    if status in OF_CLINIC:
        return refused(step, "status", f"that an appointment is {status} the clinic says, not the patient")
    if status == "booked" and not step.after.get("slot"):
        return refused(step, "slot", "a patient books a slot; without one an appointment is proposed, or waits")
    return None
