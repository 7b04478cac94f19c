"""The topics of a clinic that this server tells of.

Most are transitions: what a version says that the one before did not. They are published as Basic resources and named
in the CapabilityStatement.

Spec: hl7.fhir.uv.subscriptions-backport 1.1.0, components.html#subscription-topics-in-r4
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from healix_fhir.subscription.topic import Topic, Trigger

URN = "urn:healix:topic:"


def _enters(*states: str) -> str:
    """The status is one of some, and was none of them before."""
    values = " | ".join(f"'{state}'" for state in states)
    return f"%current.status in ({values}) and (%previous.exists() and %previous.status in ({values})).not()"


DONE = "({0}.mitigation.exists() or {0}.status in ('final' | 'corrected'))"
ACKNOWLEDGED = f"{DONE.format('%current')} and (%previous.exists() and {DONE.format('%previous')}).not()"
MORE_IMAGES = (
    "%previous.empty() or iif(%previous.numberOfInstances.exists(), %current.numberOfInstances >"
    " %previous.numberOfInstances, %current.numberOfInstances.exists())"
)
CHANGED = (
    "%previous.exists() and %current.status in ('pending' | 'booked' | 'arrived' | 'checked-in')"
    " and (%current.start != %previous.start or %current.end != %previous.end"
    " or %current.participant != %previous.participant or %current.status != %previous.status)"
    " and (%current.status = 'booked' and %previous.status != 'booked').not()"
)
MOVED = (
    "%previous.empty() or %current.lifecycleStatus != %previous.lifecycleStatus"
    " or %current.achievementStatus.exists() != %previous.achievementStatus.exists()"
    " or %current.achievementStatus.coding.code != %previous.achievementStatus.coding.code"
)
SIGNED, STOPPED = _enters("active"), _enters("stopped", "cancelled")
FINAL = _enters("final", "amended", "corrected", "appended")
BEGUN, OVER = _enters("arrived", "triaged", "in-progress"), _enters("finished")

ROWS: tuple[tuple[str, str, str, str, str], ...] = (
    ("reading", "A reading is new or changed", "Observation", "", "code category status device"),
    ("alert-opened", "An alert is opened", "DetectedIssue", _enters("registered", "preliminary"), "code"),
    ("alert-acknowledged", "An alert is acknowledged", "DetectedIssue", ACKNOWLEDGED, "code"),
    ("appointment-booked", "An appointment is booked", "Appointment", _enters("booked"), "actor practitioner"),
    ("appointment-changed", "An appointment is changed", "Appointment", CHANGED, "actor practitioner"),
    (
        "appointment-cancelled", "An appointment is cancelled", "Appointment",
        _enters("cancelled", "noshow"), "actor practitioner",
    ),
    ("prescription-signed", "A prescription is signed", "MedicationRequest", SIGNED, "code requester"),
    ("prescription-stopped", "A prescription is stopped", "MedicationRequest", STOPPED, "code requester"),
    ("images-arrived", "Images have arrived", "ImagingStudy", MORE_IMAGES, "identifier modality status"),
    ("report-final", "A report is final", "DiagnosticReport", FINAL, "code category based-on"),
    ("goal-status", "The status of a goal has moved", "Goal", MOVED, "category"),
    ("encounter-start", "A visit or admission begins", "Encounter", BEGUN, "class location participant"),
    ("encounter-end", "A visit or admission ends", "Encounter", OVER, "class location participant"),
)  # fmt: skip
"""Name, title, type, FHIRPath, and the search parameters by which subscribers may narrow it beside the patient."""

CATALOGUE: tuple[Topic, ...] = tuple(
    Topic(f"{URN}{name}", title, (Trigger(type_name, fhirpath=path),), {type_name: ("_id", "patient", *codes.split())})
    for name, title, type_name, path, codes in ROWS
)

BY_URL: Mapping[str, Topic] = MappingProxyType({topic.url: topic for topic in CATALOGUE})


def id_of(topic: Topic) -> str:
    """The logical id of the resource that serves a topic of the catalogue."""
    return f"topic-{topic.url.removeprefix(URN)}"
