"""The life of an alert: a DetectedIssue that the server raised by a rule. Other DetectedIssues have no rules here.

It is open (`preliminary`) until people have dealt with it; what was closed too early is opened anew. What it is about
stays, unless a system moves it, as when two Patients are merged. That somebody looks after it, or has dealt with it, is
not for the patient to say: nobody would be told again. Nor is anything else that an alert says, as how severe it is and
what shows it; and a patient makes none.

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
TREATMENT = ("status", "mitigation")

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
        return _made(step)
    if step.after is None:
        return refused(step, "status", "patients do not delete alerts") if step.actor is Actor.PATIENT else None
    was, becomes = str(step.before.get("status")), str(step.after.get("status"))
    if step.actor is Actor.PATIENT and (refusal := _of_patient(step, step.before, step.after)):
        return refusal
    for element in FIXED:
        if step.actor is not Actor.SYSTEM and step.before.get(element) != step.after.get(element):
            return refused(step, element, "what an alert is about stays as it is")
    next_ = TRANSITIONS.get(was, frozenset())
    if was == becomes or becomes in next_:
        return None
    instead = f"it may become {', '.join(sorted(next_))}" if next_ else "it stays as it is"
    return refused(step, "status", f"{was} does not become {becomes}; {instead}")


def _made(step: Step) -> HealixError | None:
    """Keep patients from making what would be taken for an alert of the server."""
    if step.actor is not Actor.PATIENT or step.after is None or not is_alert(step.after):
        return None
    return refused(step, "identifier", f"the identifiers of {SYSTEM} are those of alerts that the server raises")


def _of_patient(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> HealixError | None:
    """An alert as it was is all that a patient may write."""
    if any(before.get(element) != after.get(element) for element in TREATMENT):
        return refused(step, "mitigation", "alerts are acknowledged and resolved by those who treat")
    labels = [one.get("meta", {}).get("security") for one in (before, after)]
    changed = [name for name in {**before, **after} if name != "meta" and before.get(name) != after.get(name)]
    if labels[0] != labels[1]:
        changed.append("meta")
    if not changed:
        return None
    return refused(step, changed[0].removeprefix("_"), "what an alert says is not for patients to change")


def is_alert(resource: Mapping[str, Any]) -> bool:
    """Whether a DetectedIssue was raised by a rule."""
    return any(one.get("system") == SYSTEM for one in resource.get("identifier", ()))
