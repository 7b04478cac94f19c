"""What is recorded when administrators look at accounts, apps and openings of records: who looked at whom.

Spec: IHE BALP 1.1.3; OWASP ASVS 5.0 16.3.3
"""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.database import Statement


def listed(origin: Origin, kind: str, **asked: str | None) -> Statement:
    """The row of a list of `kind` (account, client), with what was asked for."""
    said = " ".join(f"{name}={value}" for name, value in asked.items() if value)
    return record([AuditRow(origin, "E", "list-administered", query=f"{kind} {said}".strip())])


def shown(origin: Origin, kind: str, name: str) -> Statement:
    """The row of one account or app."""
    return record([AuditRow(origin, "R", "show-administered", entity=f"{kind}/{name}")])


def openings_shown(origin: Origin, patients: Iterable[str]) -> Statement:
    """The rows of a list of opened records: one for each patient who is named in it, or one for an empty list."""
    whose = sorted(set(patients))
    rows = [AuditRow(origin, "R", "list-break-glass", patient=one, entity=f"Patient/{one}") for one in whose]
    return record(rows or [AuditRow(origin, "R", "list-break-glass")])
