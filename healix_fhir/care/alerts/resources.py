"""The resources of an alert: a DetectedIssue that says what is the matter, and Communications that tell of it.

Neither holds a value: the Observations are named, and shown to those who may see them. The security labels of what an
alert rests on are its own.

Spec: FHIR R4, hl7.org/fhir/R4/detectedissue.html, hl7.org/fhir/R4/communication.html
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

from healix_fhir.care.alerts.rule import PRIORITY, SEVERITY, Rule
from healix_fhir.kernel.clock import instant
from healix_fhir.store.lifecycle.detected_issue import SYSTEM

Json = dict[str, Any]
CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"


class Notice(msgspec.Struct, frozen=True):
    """What to tell whom of an alert: `words` for the care team, `plain` for the patient, who is told if `both`."""

    issue: str
    patient: str
    pat: int
    title: str
    words: str
    plain: str
    rank: int
    told: tuple[str, ...]
    labels: tuple[Json, ...] = ()


def id_of(*parts: object) -> str:
    """The id of what is made once of these: made again, it is the same."""
    return blake2b("\n".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def detected_issue(
    id_: str, key: str, rule: Rule, patient: str, evidence: Sequence[str], labels: Sequence[Json], moment: datetime
) -> Json:
    """The alert of a rule about a patient: `preliminary` until people have dealt with it."""
    made: Json = {
        "resourceType": "DetectedIssue",
        "id": id_,
        "identifier": [{"system": SYSTEM, "value": key}],
        "status": "preliminary",
        "code": rule.code,
        "severity": SEVERITY[rule.rank],
        "patient": {"reference": f"Patient/{patient}"},
        "identifiedDateTime": instant(moment),
        "detail": rule.words,
    }
    if labels:
        made["meta"] = {"security": list(labels)}
    if evidence:
        references = [{"reference": f"Observation/{one}"} for one in evidence]
        made |= {"implicated": references[-1:], "evidence": [{"detail": references}]}
    return made | ({"reference": rule.reference} if rule.reference else {})


def communication(id_: str, notice: Notice, recipients: Sequence[str], words: str, moment: datetime) -> Json:
    """That somebody was told of an alert."""
    made: Json = {
        "resourceType": "Communication",
        "id": id_,
        "status": "completed",
        "category": [{"coding": [{"system": CATEGORY, "code": "alert"}]}],
        "priority": PRIORITY[notice.rank],
        "subject": {"reference": f"Patient/{notice.patient}"},
        "about": [{"reference": f"DetectedIssue/{notice.issue}"}],
        "sent": instant(moment),
        "recipient": [{"reference": one} for one in recipients],
        "payload": [{"contentString": words}],
    }
    return made | ({"meta": {"security": list(notice.labels)}} if notice.labels else {})
