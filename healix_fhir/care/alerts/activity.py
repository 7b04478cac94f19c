"""What an alert rule has done beside telling people: an ActivityDefinition becomes a Task or a ServiceRequest.

What is made is a proposal or a plan, for people to take up: no rule orders. Like the alert it holds no value, and has
the alert's security labels. Definitions are named by their canonical and never contained: systems alone write them, so
that nobody who puts a rule in force for a patient has the server write what they could not.

Spec: FHIR R4, hl7.org/fhir/R4/activitydefinition.html, hl7.org/fhir/R4/plandefinition-definitions.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from healix_fhir.care.alerts.resources import id_of
from healix_fhir.care.alerts.rule import PRIORITY, Activity
from healix_fhir.care.alerts.wanted import only
from healix_fhir.kernel.errors import invalid

Json = dict[str, Any]
TYPE = "ActivityDefinition"
NAMING = "definitionCanonical"
KINDS = ("Task", "ServiceRequest")
INTENTS = ("proposal", "plan")
UNDERSTOOD = frozenset({
    "resourceType", "id", "meta", "language", "text", "extension", "url", "identifier", "version", "name", "title",
    "subtitle", "status", "experimental", "subjectCodeableConcept", "date", "publisher", "contact", "description",
    "useContext", "jurisdiction", "purpose", "usage", "copyright", "approvalDate", "lastReviewDate", "topic", "author",
    "editor", "reviewer", "endorser", "relatedArtifact", "kind", "code", "intent", "priority",
})  # fmt: skip


def named_in(plans: Iterable[Json | None]) -> set[str]:
    """The canonicals of ActivityDefinitions that actions of PlanDefinitions name."""
    actions = (action for plan in plans if plan is not None for action in plan.get("action", ()))
    return {str(action[NAMING]) for action in actions if NAMING in action}


def inlined(plan: Json, called: Mapping[str, Json | None]) -> Json:
    """A PlanDefinition that contains what its actions name, as far as it is there, and nothing else."""
    found = [one for name in sorted(named_in([plan])) if (one := called.get(name)) is not None]
    kept = {name: value for name, value in plan.items() if name != "contained"}
    return kept | {"contained": found} if found else kept


def activity_of(plan: Json, action: Json, at: str) -> Activity | None:
    """What an action of an inlined PlanDefinition has done, if anything. Raises Invalid."""
    if NAMING not in action:
        return None
    canonical, at = str(action[NAMING]), f"{at}.{NAMING}"
    url, _, version = canonical.partition("|")
    inside = (one for one in plan.get("contained", ()) if one.get("resourceType") == TYPE and one.get("url") == url)
    found = next((one for one in inside if version in ("", one.get("version"))), None)
    if found is None:
        raise invalid(f"{at}: there is no {TYPE} {canonical}")
    only(found, UNDERSTOOD, TYPE)
    if found.get("status") != "active":
        raise invalid(f"{at}: the status of {canonical} is {found.get('status')}")
    kind, intent = found.get("kind"), found.get("intent", INTENTS[0])
    if kind not in KINDS:
        raise invalid(f"{TYPE}.kind must be {' or '.join(KINDS)}")
    if intent not in INTENTS:
        raise invalid(f"{TYPE}.intent must be {' or '.join(INTENTS)}: no rule orders")
    coded = found.get("subjectCodeableConcept", {}).get("coding", ())
    if coded and not any(one.get("code") == "Patient" for one in coded):
        raise invalid(f"{TYPE}.subjectCodeableConcept must be Patient")
    words = found.get("description") or found.get("title") or action.get("title") or plan.get("title")
    name = f"{url}|{found['version']}" if found.get("version") else url
    return Activity(kind, intent, name, words, found.get("code"), found.get("priority"))


def made(activity: Activity, alert: Json, rank: int) -> Json:
    """The resource of an activity for an alert (a DetectedIssue): made again, it is the same."""
    reference = {"reference": f"DetectedIssue/{alert['id']}"}
    subject = alert["patient"]
    plain: Json = {
        "resourceType": activity.kind,
        "id": id_of("activity", alert["id"]),
        "intent": activity.intent,
        "priority": activity.priority or PRIORITY[rank],
        "authoredOn": alert["identifiedDateTime"],
    }
    if "meta" in alert:
        plain["meta"] = alert["meta"]
    if activity.code is not None:
        plain["code"] = activity.code
    if activity.kind == "Task":
        return plain | {
            "status": "requested",
            "instantiatesCanonical": activity.canonical,
            "for": subject,
            "focus": reference,
            **({"description": activity.words} if activity.words else {}),
        }
    return plain | {
        "status": "active",
        "instantiatesCanonical": [activity.canonical],
        "subject": subject,
        "supportingInfo": [reference],
        **({"note": [{"text": activity.words}]} if activity.words else {}),
    }
