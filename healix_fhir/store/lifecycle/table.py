"""The types whose resources have a life by rules, each with its rule.

`store.decide` asks once a new version is decided on, so that a rule holds whatever way a change came: update, patch,
transaction, import, operation or page. Types without a rule cost one look into this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from healix_fhir.store.lifecycle import (
    appointment,
    communication,
    detected_issue,
    diagnostic_report,
    flag,
    goal,
    medication_request,
    provenance,
    reading_task,
)
from healix_fhir.store.lifecycle.step import Rule

LIFECYCLES: Mapping[str, Rule] = MappingProxyType(
    {
        "Appointment": appointment.rule,
        "Communication": communication.rule,
        "DetectedIssue": detected_issue.rule,
        "DiagnosticReport": diagnostic_report.rule,
        "Flag": flag.rule,
        "Goal": goal.rule,
        "MedicationRequest": medication_request.rule,
        "Provenance": provenance.rule,
        "Task": reading_task.rule,
    }
)
