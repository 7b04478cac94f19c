"""What remains of a signature: a DetectedIssue for each warning that was overridden, with the reason, and a Provenance.

Spec: FHIR R4, hl7.org/fhir/R4/detectedissue.html, hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from healix_fhir.kernel.clock import instant
from healix_fhir.operation.prescription.finding import SEVERITY, Finding, Kind
from healix_fhir.store.lifecycle.provenance import AUTHENTICATED, COMPLETION

Json = dict[str, Any]
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CODES: Mapping[Kind, tuple[str, str]] = {
    Kind.ALLERGY: ("ALGY", "Allergy Alert"),
    Kind.DUPLICATE: ("DUPTHPY", "Duplicate Therapy Alert"),
    Kind.INTERACTION: ("DRG", "Drug Interaction Alert"),
}
TEXTS: Mapping[Kind, str] = {
    Kind.ADVICE: "Advice of a decision support service",
    Kind.FAILURE: "Decision support was not to be had",
}
ACTIONS: Mapping[str, str] = {
    "1": "Therapy Appropriate",
    "22": "appropriate indication or diagnosis",
    "13": "Stopped Concurrent Therapy",
    "10": "Provided Patient Education",
    "19": "Consulted Supplier",
    "8": "Other Action Taken",
}
"""What may be done about a warning. Spec: v3-ActCode, ActDetectedIssueManagementCode"""
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
LONGEST = 4000


class Answer(msgspec.Struct, frozen=True):
    """Why a warning does not keep the order from being signed; `action` is a code of `ACTIONS`, or empty."""

    reason: str
    action: str = ""


class Signature(msgspec.Struct, frozen=True):
    """Who signs which order (`MedicationRequest/id`) of whom (`Patient/id`), and when."""

    order: str
    patient: str
    practitioner: str
    moment: datetime


def issue(signature: Signature, finding: Finding, answer: Answer) -> Json:
    """The DetectedIssue of a warning that was answered; without id."""
    said = f"{finding.summary}. {finding.detail} ({finding.source})"
    action: Json = {"text": answer.reason}
    if answer.action:
        action["coding"] = [{"system": ACT_CODE, "code": answer.action, "display": ACTIONS[answer.action]}]
    made: Json = {
        "resourceType": "DetectedIssue",
        "status": "final",
        "code": _code(finding.kind),
        "severity": SEVERITY[finding.indicator],
        "patient": {"reference": signature.patient},
        "identifiedDateTime": instant(signature.moment),
        "implicated": [{"reference": one} for one in (signature.order, *finding.implicated)],
        "detail": " ".join(said.split())[:LONGEST],
    }
    if finding.url:
        made["reference"] = finding.url
    mitigation = {"action": action, "date": instant(signature.moment), "author": _by(signature)}
    return made | {"mitigation": [mitigation]}


def provenance(signature: Signature, issues: Sequence[str], answers: Sequence[Answer]) -> Json:
    """The Provenance of a signed order, which was signed in the face of `issues`; without id."""
    made: Json = {
        "resourceType": "Provenance",
        "target": [{"reference": signature.order}],
        "recorded": instant(signature.moment),
        "activity": {"coding": [{"system": COMPLETION, "code": AUTHENTICATED, "display": "legally authenticated"}]},
        "agent": [{"type": {"coding": [{"system": PARTICIPANT, "code": "author"}]}, "who": _by(signature)}],
    }
    if answers:
        made["reason"] = [{"text": answer.reason} for answer in answers]
        made["entity"] = [{"role": "source", "what": {"reference": one}} for one in issues]
    return made


def _code(kind: Kind) -> Json:
    if kind not in CODES:
        return {"text": TEXTS[kind]}
    code, display = CODES[kind]
    return {"coding": [{"system": ACT_CODE, "code": code, "display": display}], "text": display}


def _by(signature: Signature) -> Json:
    return {"reference": signature.practitioner}
