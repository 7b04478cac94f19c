"""The life of a Goal: which lifecycleStatus follows which.

R4 has the codes and no diagram of their order; this is the order that their definitions tell. A goal is proposed,
planned or accepted, then sought; it rests and is sought again; it ends completed, cancelled or rejected. What has ended
is taken up again as sought, since people begin anew. A mistake stays one. A goal may begin in any status, as those do
that another record keeper held.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-goal-status.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from healix_fhir.kernel.errors import HealixError
from healix_fhir.store.lifecycle.step import Step, refused

ELEMENT = "lifecycleStatus"
MISTAKE = "entered-in-error"
_BEGUN = frozenset({"active", "on-hold", "completed", "cancelled", MISTAKE})
_BEFORE = frozenset({"planned", "accepted", "active", "on-hold", "cancelled", "rejected", MISTAKE})

TRANSITIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "proposed": _BEFORE,
        "planned": _BEFORE,
        "accepted": _BEFORE | {"completed"},
        "active": _BEGUN,
        "on-hold": _BEGUN,
        "completed": frozenset({"active", MISTAKE}),
        "cancelled": frozenset({"active", MISTAKE}),
        "rejected": frozenset({"proposed", MISTAKE}),
        MISTAKE: frozenset(),
    }
)
"""By the code that is, those that may be next; to stay is allowed always."""


def rule(step: Step) -> HealixError | None:
    """Why a step is refused."""
    if step.before is None or step.after is None:
        return None
    was, becomes = str(step.before.get(ELEMENT)), str(step.after.get(ELEMENT))
    next_ = TRANSITIONS.get(was, frozenset())
    if was == becomes or becomes in next_:
        return None
    instead = f"it may become {', '.join(sorted(next_))}" if next_ else "it stays as it is"
    return refused(step, ELEMENT, f"{was} does not become {becomes}; {instead}")
