"""The life of a Provenance that says who signed a report or a prescription: the server's own, which stays.

What it says is shown as the signatures of that report, so that nobody else, a system apart, writes one of the kind.
Other Provenances have no rules here.

Spec: FHIR R4, hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from healix_fhir.kernel.errors import HealixError
from healix_fhir.store.lifecycle.step import Actor, Step, refused

COMPLETION = "http://terminology.hl7.org/CodeSystem/v3-DocumentCompletion"
AUTHENTICATED = "LA"
"""Legally authenticated."""
SIGNED = ("DiagnosticReport", "MedicationRequest")
"""Types whose resources are signed by operations of their own."""


def rule(step: Step) -> HealixError | None:
    """Why a step is refused."""
    if step.actor is Actor.SYSTEM or not any(map(_is_ours, (step.before, step.after))):
        return None
    return refused(step, "activity", f"signatures of {' and '.join(SIGNED)} are recorded by $sign and $amend")


def is_signature(trail: Mapping[str, Any]) -> bool:
    """Whether a Provenance says that something was signed."""
    codings = trail.get("activity", {}).get("coding", ())
    return any((one.get("system"), one.get("code")) == (COMPLETION, AUTHENTICATED) for one in codings)


def _is_ours(trail: Mapping[str, Any] | None) -> bool:
    if trail is None or not is_signature(trail):
        return False
    targets = [str(one.get("reference", "")) for one in trail.get("target", ())]
    return any(f"{kind}/" in one for kind in SIGNED for one in targets)
