"""The life of the Flag of an alert: it is the server's, and those who treat may correct it; a patient may not.

Other Flags have no rules here.

Spec: FHIR R4, hl7.org/fhir/R4/flag.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.kernel.errors import HealixError
from healix_fhir.store.lifecycle.step import Actor, Step, refused

SYSTEM = "urn:healix:alert-flag"
"""Of the identifier of an alert's Flag, whose value is the id of the DetectedIssue."""


def rule(step: Step) -> HealixError | None:
    """Why a step is refused."""
    if step.actor is not Actor.PATIENT or not any(map(_is_of_alert, (step.before, step.after))):
        return None
    return refused(step, "status", "what stands at the head of a chart is for those who treat to say")


def _is_of_alert(flag: Mapping[str, Any] | None) -> bool:
    return any(one.get("system") == SYSTEM for one in (flag or {}).get("identifier", ()))
