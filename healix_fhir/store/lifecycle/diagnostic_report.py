"""The life of an imaging report: which status follows on which, who signs, and what stays as it was signed.

A report is written as a draft (registered, partial, preliminary) and becomes final by `$sign`; what was signed changes
by `$amend` alone, which keeps the earlier version: corrected, amended, or with something added. Systems bring what
other record keepers hold, and report what they changed as such. Patients write none. Other DiagnosticReports, as those
of laboratories, have no rules here.

R4 names the statuses and not the transitions; those are ours, along what their definitions tell.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-diagnostic-report-status.html
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.imaging_report import DRAFTS, REPORT, SIGNED, content, is_imaging
from healix_fhir.store.lifecycle.step import Actor, Step, refused

SIGN, AMEND = "sign", "amend"
UNKNOWN = "unknown"
MISTAKE = "entered-in-error"
CHANGED = frozenset({"amended", "corrected", "appended"})
"""What a signed report becomes when it changes."""

TRANSITIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "registered": frozenset({"partial", "preliminary", "final", "cancelled", MISTAKE, UNKNOWN}),
        "partial": frozenset({"preliminary", "final", "cancelled", MISTAKE, UNKNOWN}),
        "preliminary": frozenset({"partial", "final", "cancelled", MISTAKE, UNKNOWN}),
        "final": CHANGED | {MISTAKE},
        "amended": CHANGED | {MISTAKE},
        "corrected": CHANGED | {MISTAKE},
        "appended": CHANGED | {MISTAKE},
        "cancelled": frozenset({MISTAKE}),
        MISTAKE: frozenset(),
        UNKNOWN: frozenset({*DRAFTS, *SIGNED, "cancelled", MISTAKE}),
    }
)
"""By the code that is, those that may be next; to stay is allowed always."""
OPEN = frozenset({"resourceType", "id", "meta", "status"})
"""What of a signed report a practitioner may still write by hand: that it was a mistake, and its labels."""


def rule(step: Step) -> HealixError | None:
    """Why a step is refused."""
    before, after = step.before, step.after
    if not (is_imaging(before) or is_imaging(after)):
        return None
    if step.actor is Actor.PATIENT:
        return refused(step, "status", "imaging reports are written by those who read the images")
    if after is None:
        return _deleted(step, before or {})
    if before is None:
        return _begun(step, after)
    return _moved(step, before, after) or _rewritten(step, before, after)


def _deleted(step: Step, before: Mapping[str, Any]) -> HealixError | None:
    if step.actor is Actor.SYSTEM or before.get("status") in DRAFTS:
        return None
    return refused(step, "status", "what is no draft any more is not deleted: make it entered-in-error")


def _begun(step: Step, new: Mapping[str, Any]) -> HealixError | None:
    if step.actor is Actor.SYSTEM or new.get("status") in DRAFTS:
        return None
    return refused(step, "status", f"a report begins as a draft; {REPORT}/[id]/$sign makes it final")


def _moved(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> HealixError | None:
    was, becomes = str(before.get("status", UNKNOWN)), str(after.get("status", UNKNOWN))
    next_ = TRANSITIONS.get(was, frozenset())
    if was != becomes and becomes not in next_:
        instead = f"it may become {', '.join(sorted(next_))}" if next_ else "it stays as it is"
        return refused(step, "status", f"{was} does not become {becomes}; {instead}")
    if step.actor is Actor.SYSTEM or was == becomes:
        return None
    if becomes == "final" and step.operation != SIGN:
        return refused(step, "status", "a draft becomes final by DiagnosticReport/[id]/$sign")
    if becomes in CHANGED and step.operation != AMEND:
        return refused(step, "status", f"a signed report becomes {becomes} by DiagnosticReport/[id]/$amend")
    return None


def _rewritten(step: Step, before: Mapping[str, Any], after: Mapping[str, Any]) -> HealixError | None:
    """What was signed is what the referrer read, and was treated by."""
    was, becomes = before.get("status"), after.get("status")
    if was not in SIGNED:
        return None
    said, says = content(before), content(after)
    kept = said.sections == says.sections and says.addenda[: len(said.addenda)] == said.addenda
    if becomes == "appended" and not kept:
        return refused(step, "status", "what is added leaves what was said as it is; a change is amended or corrected")
    if step.actor is Actor.SYSTEM:
        if becomes == was == "final" and said != says:
            return refused(step, "status", f"a final report that changes becomes {', '.join(sorted(CHANGED))}")
        return None
    if step.operation == AMEND:
        return None
    changed = [name for name in {**before, **after} if name not in OPEN and before.get(name) != after.get(name)]
    if not changed:
        return None
    return refused(step, changed[0].removeprefix("_"), "a signed report changes by DiagnosticReport/[id]/$amend")
