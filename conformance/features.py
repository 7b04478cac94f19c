"""Checks that a server does what its list of features says, and refuses the rest in the words of that list.

The list is features.json, made from the server's code; see docs/reference/fhir.md. What would change something is asked
only where it is refused.
"""

from __future__ import annotations

import json
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from conformance.check import Check, Failed
from conformance.target import Target

DATA = Path(__file__).with_name("features.json")
JSON = {"Content-Type": "application/fhir+json"}
SAFE = ("GET", "HEAD")
ABSENT = (404, 410)

Row = dict[str, Any]


def _holds(rows: list[Row], target: Target) -> None:
    wrong = [problem for row in rows if (problem := _problem(row, target)) is not None]
    if wrong:
        raise Failed("; ".join(wrong))


def _problem(row: Row, target: Target) -> str | None:
    method, url = row["request"]
    refusal = row.get("refusal")
    if refusal is None and method not in SAFE:
        return None
    answer = target.ask(method, f"/fhir/{url}", None if method in SAFE else b"{}", JSON)
    found = answer.json() or {}
    issues = found.get("issue", []) if found.get("resourceType") == "OperationOutcome" else []
    if refusal is not None:
        if 400 <= answer.status < 500 and any(issue.get("diagnostics") == refusal for issue in issues):
            return None
        return f"{row['name']} is not refused as listed: {answer.status} {[i.get('diagnostics') for i in issues]}"
    if answer.status < 300 or answer.status in ABSENT:
        return None
    return f"{row['name']} does not work: {answer.status} {[i.get('diagnostics') for i in issues]}"


CHECKS = tuple(
    Check("FHIR R4 http.html#capabilities", f"{area}: what is listed works, the rest is refused by name", run)
    for area, run in (
        (area, partial(_holds, list(rows)))
        for area, rows in groupby(json.loads(DATA.read_bytes()), lambda row: str(row["area"]))
    )
)
