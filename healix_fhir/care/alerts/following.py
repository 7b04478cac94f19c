"""What people have made of alerts: a DetectedIssue that is acknowledged, resolved, opened anew or gone.

The resource decides, whoever changed it and how: the operations, a plain update, a deletion.

Spec: FHIR R4, hl7.org/fhir/R4/detectedissue-definitions.html#DetectedIssue.status, #DetectedIssue.mitigation
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from healix_fhir.care.alerts.phase import Phase, reopened, resolved
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored

DETECTED_ISSUE = "DetectedIssue"
OPEN = frozenset({"registered", "preliminary"})
"""The status of an alert that nobody has resolved."""


def follow_people(ids: Sequence[str], moment: datetime) -> Work[None]:
    """Take over how these DetectedIssues stand now; those that are no alerts are left alone."""
    rows = yield Statement(
        """SELECT s.issue, s.phase, s.acknowledged, s.resolved, r.deleted, r.body FROM alert_state s
           JOIN resource r ON r.type = %s AND r.id = s.issue
           WHERE s.issue = ANY(%s) ORDER BY s.rule, s.pat FOR UPDATE OF s""",
        (TYPE_ID[DETECTED_ISSUE], sorted(ids)),
    )
    changed: list[tuple[str, str, datetime | None, datetime | None]] = []
    for issue, known, acknowledged, ended, deleted, body in rows:
        told = {} if deleted else decode_stored(bytes(body))
        is_open = told.get("status") in OPEN
        was_open = known in (Phase.OPEN, Phase.CALM)
        seen = (acknowledged or moment) if told.get("mitigation") or not is_open else None
        if is_open and not was_open:
            changed.append((issue, str(reopened(Phase(known))), seen, None))
        elif was_open and not is_open:
            changed.append((issue, str(resolved(Phase(known))), seen, moment))
        elif seen != acknowledged:
            changed.append((issue, known, seen, ended))
    if changed:
        yield Statement(
            """UPDATE alert_state s SET phase = x.phase, acknowledged = x.acknowledged, resolved = x.resolved
               FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
                 AS x (issue, phase, acknowledged, resolved) WHERE s.issue = x.issue""",
            tuple(list(column) for column in zip(*changed, strict=True)),
        )
