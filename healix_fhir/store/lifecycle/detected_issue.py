"""The life of an alert: a DetectedIssue that the server raised by a rule. Other DetectedIssues have no rules here.

It is open (`preliminary`) until people have dealt with it; what was closed too early is opened anew. What it is about
stays, unless a system moves it, as when two Patients are merged. That somebody looks after it, or has dealt with it, is
not for the patient to say: nobody would be told again.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-observation-status.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.errors import HealixError
from healix_fhir.store.lifecycle.step import Actor, Step, refused

SYSTEM = "urn:healix:alert"
"""Of the identifier of an alert, which names its rule."""
MISTAKE = "entered-in-error"
FIXED = ("identifier", "patient")

TRANSITIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "preliminary": frozenset({"final", "cancelled", MISTAKE}),
        "final": frozenset({"preliminary", "amended", "corrected", MISTAKE}),
        "amended": frozenset({"preliminary", "corrected", MISTAKE}),
        "corrected": frozenset({"preliminary", "amended", MISTAKE}),
        "cancelled": frozenset({"preliminary", MISTAKE}),
        MISTAKE: frozenset(),
    }
)
"""By the code that is, those that may be next; to stay is allowed always."""


def rule(step: Step) -> HealixError | None:
    """Why a step is refused."""
    if step.before is None or not is_alert(step.before):
        return None
    if step.after is None:
        return refused(step, "status", "patients do not delete alerts") if step.actor is Actor.PATIENT else None
    was, becomes = str(step.before.get("status")), str(step.after.get("status"))
    treated = step.before.get("mitigation") != step.after.get("mitigation")
    if step.actor is Actor.PATIENT and (was != becomes or treated):
        return refused(step, "mitigation", "alerts are acknowledged and resolved by those who treat")
    for element in FIXED:
        if step.actor is not Actor.SYSTEM and step.before.get(element) != step.after.get(element):
            return refused(step, element, "what an alert is about stays as it is")
    next_ = TRANSITIONS.get(was, frozenset())
    if was == becomes or becomes in next_:
        return None
    instead = f"it may become {', '.join(sorted(next_))}" if next_ else "it stays as it is"
    return refused(step, "status", f"{was} does not become {becomes}; {instead}")


def is_alert(resource: Mapping[str, Any]) -> bool:
    """Whether a DetectedIssue was raised by a rule."""
    return any(one.get("system") == SYSTEM for one in resource.get("identifier", ()))
