"""An alert rule as the server evaluates it: what it looks at, when it raises an alert, whom it tells.

Spec: FHIR R4, hl7.org/fhir/R4/plandefinition.html
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from healix_fhir.care.alerts.condition import Condition
from healix_fhir.care.alerts.hours import Hours

Json = dict[str, Any]
Code = tuple[str | None, str]
"""System and code; a code in whatever system without one."""

SEVERITY = ("low", "moderate", "high")
"""DetectedIssue.severity by its rank."""
PRIORITY = ("routine", "urgent", "stat")
"""Communication.priority by the rank of the severity."""
PATIENT, CARE_TEAM = "patient", "practitioner"
"""Who is told: the codes of PlanDefinition.action.participant.type."""


class Input(msgspec.Struct, frozen=True):
    """Observations of the patient with one of `codes` that a rule needs: `%name`, oldest first, of the `window`."""

    name: str
    codes: tuple[Code, ...]
    window: timedelta


class Escalation(msgspec.Struct, frozen=True):
    """Tell all who care for the patient when nobody has acknowledged an alert so long `after` it was told."""

    after: timedelta
    words: str


class Activity(msgspec.Struct, frozen=True):
    """What a rule has done: a resource of the type `kind`, as the ActivityDefinition `canonical` says."""

    kind: str
    intent: str
    canonical: str
    words: str | None = None
    code: Json | None = None
    priority: str | None = None


class Rule(msgspec.Struct, frozen=True):
    """One action of a PlanDefinition. `name` tells it from the others of its plan.

    It is looked at with each new Observation that has one of `codes`, or once in each `period`. `when` must all hold
    to raise an alert; it can be raised anew once `until` hold, or without these as soon as `when` do not. `words` are
    for the care team, `plain` for the patient. `rank` is the severity. `reference` names its definition. `activity` is
    what is made beside the alert.
    """

    name: str
    title: str
    words: str
    plain: str
    rank: int
    codes: tuple[Code, ...]
    period: timedelta | None
    inputs: tuple[Input, ...]
    when: tuple[Condition, ...]
    until: tuple[Condition, ...]
    told: frozenset[str]
    escalations: tuple[Escalation, ...]
    hours: Hours | None
    code: Json
    reference: str | None
    activity: Activity | None = None

    @property
    def window(self) -> timedelta:
        """How far back it looks."""
        return max((one.window for one in self.inputs), default=timedelta())


class Plan(msgspec.Struct, frozen=True):
    """The rules of one PlanDefinition; `group` is the logical id of the Group that it is for. `general` tells that it
    is in force by itself, and not only for patients whose CarePlan says so.
    """

    rules: tuple[Rule, ...]
    general: bool
    group: str | None = None
    url: str | None = None
