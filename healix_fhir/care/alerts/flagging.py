"""A Flag beside each alert, as long as it is open: what stands at the head of a chart, and in what others read of it.

It says what the DetectedIssue says, names it by the extension `flag-detail`, and holds no value either. When people
resolve the alert it becomes inactive and its period ends; when they open it anew, it is active again. What somebody has
made of a Flag by hand, as a mistake, stays.

Spec: FHIR R4, hl7.org/fhir/R4/flag.html, extension-flag-detail.html, extension-flag-priority.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from healix_fhir.care.alerts.resources import id_of
from healix_fhir.care.alerts.telling import ACCESS
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode
from healix_fhir.store.commit import commit
from healix_fhir.store.lifecycle.flag import SYSTEM
from healix_fhir.store.stored import Change, Method

Json = dict[str, Any]
FLAG = "Flag"
DETAIL = "http://hl7.org/fhir/StructureDefinition/flag-detail"
PRIORITY = "http://hl7.org/fhir/StructureDefinition/flag-priority"
PRIORITIES: Mapping[str, tuple[str, str]] = {
    "low": ("PL", "Low priority"),
    "moderate": ("PM", "Medium priority"),
    "high": ("PH", "High priority"),
}
"""By DetectedIssue.severity. Spec: hl7.org/fhir/R4/valueset-flag-priority.html"""
CODES = "http://hl7.org/fhir/flag-priority-code"
CLINICAL: Json = {
    "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/flag-category", "code": "clinical", "display": "Clinical"}
    ]
}


def flag(issue: Json) -> Json:
    """The active Flag of an alert."""
    code, display = PRIORITIES[issue["severity"]]
    made: Json = {
        "resourceType": FLAG,
        "id": of(issue["id"]),
        "extension": [
            {"url": DETAIL, "valueReference": {"reference": f"DetectedIssue/{issue['id']}"}},
            {
                "url": PRIORITY,
                "valueCodeableConcept": {"coding": [{"system": CODES, "code": code, "display": display}]},
            },
        ],
        "identifier": [{"system": SYSTEM, "value": issue["id"]}],
        "status": "active",
        "category": [CLINICAL],
        "code": issue["code"],
        "subject": issue["patient"],
        "period": {"start": issue["identifiedDateTime"]},
    }
    labels = issue.get("meta", {}).get("security")
    return made | ({"meta": {"security": labels}} if labels else {})


def of(issue: str) -> str:
    """The id of the Flag of an alert."""
    return id_of(issue, "flag")


def follow(issues: Mapping[str, bool], moment: datetime, bases: tuple[str, ...]) -> Work[None]:
    """Let the Flags of alerts be active or not, by the alert's id."""
    named = {of(issue): active for issue, active in issues.items()}
    rows = yield Statement(
        "SELECT id, body FROM resource WHERE type = %s AND id = ANY(%s) AND NOT deleted", (TYPE_ID[FLAG], sorted(named))
    )
    changes = [*_changes(((decode(bytes(body)), named[id_]) for id_, body in rows), moment, bases)]
    if changes:
        yield from commit(ACCESS, changes)


def _changes(flags: Iterable[tuple[Json, bool]], moment: datetime, bases: tuple[str, ...]) -> Iterator[Change]:
    for one, active in flags:
        if one.get("status") not in ("active", "inactive") or (one["status"] == "active") is active:
            continue
        period = {name: value for name, value in one.get("period", {}).items() if name != "end"}
        ended = {} if active else {"end": instant(moment)}
        made = one | {"status": "active" if active else "inactive", "period": period | ended}
        yield change(Method.PUT, made, FLAG, one["id"], bases)
