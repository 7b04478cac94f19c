"""What a Goal says of its achievement, and who said it: pure rules.

The server moves `achievementStatus` of goals that are `active`, and there only what nobody else has said: it is absent,
or as the server left it, which the extension `COMPUTED` in it tells with code and reason. Whoever sets another code, or
one without the extension, has said it: the server leaves it until the element is removed. A version is made when the
code changes, not when only numbers in the reason do. `statusReason` is treated alike: what a person wrote there stays.

Spec: FHIR R4, hl7.org/fhir/R4/goal-definitions.html#Goal.achievementStatus, hl7.org/fhir/R4/provenance.html
"""

from __future__ import annotations

from datetime import date, datetime
from hashlib import blake2b
from typing import Any

from healix_fhir.kernel.clock import instant
from healix_fhir.operation.goal.achievement import SYSTEM, Achievement

Json = dict[str, Any]
COMPUTED = "urn:healix:extension:computed"
"""The extension of a status that the server computed: its `code`, and the `reason`."""
DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
SOURCES = 100
"""Observations that a Provenance names, the last of them."""


def is_followed(goal: Json) -> bool:
    """Whether the server moves the achievementStatus of a Goal."""
    if goal.get("lifecycleStatus") != "active":
        return False
    status = goal.get("achievementStatus")
    if status is None:
        return True
    left = _left(status)
    return left is not None and [one.get("code") for one in status.get("coding", ())] == [left.get("code")]


def moved(goal: Json, now: Achievement, day: date) -> Json | None:
    """The Goal with what holds now, since `day`; None where it says so already."""
    left = _left(goal.get("achievementStatus", {})) or {}
    if left.get("code") == now.code:
        return None
    parts = [{"url": "code", "valueCode": now.code}, {"url": "reason", "valueString": now.reason}]
    status = {
        "extension": [{"url": COMPUTED, "extension": parts}],
        "coding": [{"system": SYSTEM, "code": now.code, "display": now.display}],
    }
    changed = goal | {"achievementStatus": status, "statusDate": day.isoformat()}
    if goal.get("statusReason") in (None, left.get("reason")):
        changed["statusReason"] = now.reason
    return changed


def provenance(goal: str, version: int, patient: str, now: Achievement, moment: datetime) -> Json:
    """Why the version of a Goal came to be. It has one id for each version, so that it is never there twice."""
    target = f"Goal/{goal}/_history/{version}"
    return {
        "resourceType": "Provenance",
        "id": blake2b(target.encode(), digest_size=16).hexdigest(),
        "target": [{"reference": target}, {"reference": f"Patient/{patient}"}],
        "recorded": instant(moment),
        "reason": [{"text": now.reason}],
        "activity": {"coding": [{"system": DATA_OPERATION, "code": "UPDATE", "display": "revise"}]},
        "agent": [
            {
                "type": {"coding": [{"system": PARTICIPANT, "code": "assembler", "display": "Assembler"}]},
                "who": {"display": "Healix"},
            }
        ],
        **(
            {
                "entity": [
                    {"role": "source", "what": {"reference": f"Observation/{id_}"}} for id_ in now.sources[-SOURCES:]
                ]
            }
            if now.sources
            else {}
        ),
    }


def _left(status: Json) -> dict[str, str] | None:
    """Code and reason that the server left in a status."""
    for one in status.get("extension", ()):
        if one.get("url") == COMPUTED:
            parts = {part.get("url"): part for part in one.get("extension", ())}
            code, reason = parts.get("code", {}).get("valueCode"), parts.get("reason", {}).get("valueString")
            return {name: value for name, value in (("code", code), ("reason", reason)) if value is not None}
    return None
