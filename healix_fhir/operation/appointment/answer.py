"""What the operations of appointments answer: a Bundle of Appointments, with an OperationOutcome where it helps.

Spec: Argonaut Scheduling Implementation Guide 1.0, Argonaut Appointment Bundle
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from healix_fhir.model.json import encode

Json = Mapping[str, Any]


def bundle(resources: Sequence[Json], base: str, *told: str, stored: bool = True) -> bytes:
    """The Bundle; what is `stored` has the address at which it is."""
    entries: list[dict[str, Any]] = []
    for one in resources:
        address = {"fullUrl": f"{base}/{one['resourceType']}/{one['id']}"} if stored else {}
        entries.append({**address, "resource": one, "search": {"mode": "match"}})
    issues = [{"severity": "information", "code": "informational", "diagnostics": text} for text in told]
    if issues:
        outcome = {"resourceType": "OperationOutcome", "issue": issues}
        entries.append({"resource": outcome, "search": {"mode": "outcome"}})
    found: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(resources)}
    return encode(found | ({"entry": entries} if entries else {}))
