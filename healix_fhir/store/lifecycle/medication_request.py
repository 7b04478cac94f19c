"""The life of a MedicationRequest: which status follows on which, by whose hand, and what stays as it was signed.

A practitioner's order begins as a draft and becomes active by `$sign`, which looks for allergies, duplicates and
interactions first. What was signed stays: another dose is another prescription. Patients ask: they write proposals and
plans of their own, and no orders. Systems bring what other record keepers hold, in any status and with corrections;
the transitions are the same for them.

R4 names the statuses and not the transitions; those are ours, along the state machine of R4's requests.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-medicationrequest-status.html, hl7.org/fhir/R4/request.html#statemachine
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from healix_fhir.kernel.errors import HealixError
from healix_fhir.store.lifecycle.step import Actor, Step, refused

SIGN = "sign"
UNKNOWN = "unknown"
ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
"""The intents that authorize somebody to act."""
ASKING = frozenset({"proposal", "plan"})
"""The intents of what patients write."""
ASKERS = ("Patient/", "RelatedPerson/")

SYSTEM, PRACTITIONER, PATIENT = Actor.SYSTEM, Actor.PRACTITIONER, Actor.PATIENT
CARE = frozenset({SYSTEM, PRACTITIONER})
ALL = frozenset(Actor)
ONLY_SYSTEM = frozenset({SYSTEM})


class Transition(msgspec.Struct, frozen=True):
    """By whom. With `reason` a practitioner gives a statusReason; with `signs` it is `$sign` that makes an order so."""

    by: frozenset[Actor] = CARE
    reason: bool = False
    signs: bool = False


TRANSITIONS: Mapping[tuple[str, str], Transition] = {
    ("draft", "active"): Transition(ALL, signs=True),
    ("draft", "cancelled"): Transition(ALL),
    ("draft", "entered-in-error"): Transition(ALL),
    ("active", "on-hold"): Transition(reason=True),
    ("active", "stopped"): Transition(reason=True),
    ("active", "cancelled"): Transition(ALL, reason=True),
    ("active", "completed"): Transition(),
    ("active", "entered-in-error"): Transition(ALL),
    ("on-hold", "active"): Transition(),
    ("on-hold", "stopped"): Transition(reason=True),
    ("on-hold", "cancelled"): Transition(reason=True),
    ("on-hold", "completed"): Transition(),
    ("on-hold", "entered-in-error"): Transition(),
    ("completed", "entered-in-error"): Transition(),
    ("stopped", "entered-in-error"): Transition(),
    ("cancelled", "entered-in-error"): Transition(),
    **{
        (UNKNOWN, after): Transition(ONLY_SYSTEM)
        for after in ("draft", "active", "on-hold", "stopped", "cancelled", "completed", "entered-in-error")
    },
    **{(before, UNKNOWN): Transition(ONLY_SYSTEM) for before in ("draft", "active", "on-hold")},
}
"""From which status to which; every other is refused to all. `unknown` is for systems that have lost track."""

OPEN = frozenset(
    {"resourceType", "id", "meta", "text", "language", "status", "statusReason", "note", "identifier", "insurance"}
)
"""What of a signed order may still change: how it goes on, and what is filed with it."""


def rule(step: Step) -> HealixError | None:
    """Why a step is refused."""
    before, after = step.before, step.after
    if after is None:
        return _deleted(step, before or {})
    if before is None:
        return _begun(step, after)
    intent = _intent(before)
    if intent != _intent(after):
        return refused(step, "intent", f"a {intent} does not become a {_intent(after)}: write another one")
    if step.actor is PATIENT and (refusal := _not_asked(step, before) or _not_asked(step, after)):
        return refusal
    return _moved(step, before, after) or _rewritten(step, before, after)


def _begun(step: Step, new: Mapping[str, Any]) -> HealixError | None:
    if step.actor is PATIENT:
        if _status(new) not in ("draft", "active"):
            return refused(step, "status", f"what a patient asks for does not begin as {_status(new)}")
        return _not_asked(step, new)
    if step.actor is PRACTITIONER and _intent(new) in ORDERS and not is_reported(new) and _status(new) != "draft":
        return refused(
            step,
            "status",
            "an order begins as a draft, and MedicationRequest/[id]/$sign makes it active;"
            " one that is recorded for somebody else has reported[x]",
        )
    return None


def _not_asked(step: Step, resource: Mapping[str, Any]) -> HealixError | None:
    """Patients write what they ask for themselves."""
    if _intent(resource) not in ASKING:
        return refused(step, "intent", f"patients write a {' or a '.join(sorted(ASKING))}, not this")
    if not str(resource.get("requester", {}).get("reference", "")).startswith(ASKERS):
        return refused(step, "requester", "a patient's own has the Patient or RelatedPerson who asks")
    return None


def _moved(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> HealixError | None:
    was, becomes = _status(before), _status(after)
    if was == becomes:
        return None
    found = TRANSITIONS.get((was, becomes))
    if found is None or step.actor not in found.by:
        return refused(step, "status", f"{was} does not become {becomes}; {_instead(was, step.actor)}")
    if step.actor is not PRACTITIONER:
        return None
    if found.signs and step.operation != SIGN and _intent(after) in ORDERS:
        return refused(
            step,
            "status",
            "a draft becomes active by MedicationRequest/[id]/$sign, which looks for allergies, duplicates and"
            " interactions first",
        )
    if found.reason and not after.get("statusReason"):
        return refused(step, "statusReason", f"say why it is {becomes}")
    return None


def _instead(was: str, actor: Actor) -> str:
    others = sorted(after for (before, after), found in TRANSITIONS.items() if before == was and actor in found.by)
    return f"it may become {', '.join(others)}" if others else "it stays as it is"


def _rewritten(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> HealixError | None:
    """What was signed is what was checked, and what the pharmacy and the patient hold in their hands."""
    if step.actor is not PRACTITIONER or _intent(before) not in ORDERS or _status(before) == "draft":
        return None
    changed = [name for name in {**before, **after} if name not in OPEN and before.get(name) != after.get(name)]
    if not changed:
        return None
    return refused(step, changed[0].removeprefix("_"), "a signed order stays as it was signed: write another one")


def _deleted(step: Step, before: Mapping[str, Any]) -> HealixError | None:
    if step.actor is SYSTEM or _status(before) == "draft":
        return None
    if step.actor is PATIENT and (refusal := _not_asked(step, before)):
        return refusal
    return refused(step, "status", "what is no draft any more is not deleted: make it cancelled or entered-in-error")


def _status(resource: Mapping[str, Any]) -> str:
    """The status; unknown where an extension says why there is none."""
    return str(resource.get("status", UNKNOWN))


def _intent(resource: Mapping[str, Any]) -> str:
    return str(resource.get("intent", UNKNOWN))


def is_reported(resource: Mapping[str, Any]) -> bool:
    """Whether it is recorded for somebody else, as what was prescribed elsewhere."""
    return bool(resource.get("reportedBoolean") or resource.get("reportedReference"))
