"""The life of a Communication that tells who ordered images of their report: the server's own, no patient's.

It stands, with its words and its urgency, among what clinicians are told of what they ordered. Other Communications
have no rules here.

Spec: FHIR R4, hl7.org/fhir/R4/communication.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.imaging_report import REPORT
from healix_fhir.store.lifecycle.step import Actor, Step, refused

CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"
NOTIFICATION = "notification"


def rule(step: Step) -> HealixError | None:
    """Why a step is refused."""
    if step.actor is not Actor.PATIENT or not any(map(_is_of_report, (step.before, step.after))):
        return None
    return refused(step, "category", "who ordered is told of reports by the server, not by the patient")


def _is_of_report(told: Mapping[str, Any] | None) -> bool:
    if told is None or not any(f"{REPORT}/" in str(one.get("reference", "")) for one in told.get("about", ())):
        return False
    return any(
        coding.get("code") == NOTIFICATION for one in told.get("category", ()) for coding in one.get("coding", ())
    )
