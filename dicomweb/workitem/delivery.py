"""What a subscriber has not been told yet, as far as the token that asks may see it.

An event is kept for an hour, so that who was cut off hears of what was missed; the standard would let it be lost
(PS3.4 CC.2.4.3: no obligation to queue or retry).

Spec: PS3.18 8.10.4 and 8.10.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dicomweb.workitem.rows import visible
from dicomweb.workitem.subscribers import take
from healix_fhir.kernel.audit import AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

AT_ONCE = 100
"""Events that are read together."""
MESSAGE_ID = "00000110"
MESSAGES = 1 << 16


@dataclass(frozen=True, slots=True)
class Told:
    """One event: its number, and its report as DICOM JSON."""

    seq: int
    report: bytes


def opened(access: AccessContext, aet: str) -> Work[int]:
    """Open a channel for a title; the number of the last event that it was told. Raises Forbidden, Busy."""
    seen = yield from take(access, aet)
    yield record([AuditRow(access.origin, "E", "workitem-channel", entity=aet)])
    return seen


def pending(access: AccessContext, aet: str, after: int) -> Work[list[Told]]:
    """The next events for a title; what the token does not open is passed over. One statement where there are none."""
    condition = visible(access, Permission.READ)
    rows = yield Statement(
        "SELECT e.seq, e.report, w.uid, k.id FROM workitem_event e LEFT JOIN workitem w ON w.pk = e.workitem"
        " LEFT JOIN patient_key k ON k.pat = w.pat"
        f" WHERE e.seq > %s AND e.receivers @> ARRAY[%s] AND (e.workitem IS NULL OR {condition.sql})"
        " ORDER BY e.seq LIMIT %s",
        (after, aet, *condition.params, AT_ONCE),
    )
    shown = dict.fromkeys((uid, patient) for _, _, uid, patient in rows if uid is not None)
    if shown:
        origin = access.origin
        yield record(
            [AuditRow(origin, "R", "workitem-event", patient=one, entity=uid, query=aet) for uid, one in shown]
        )
    return [Told(seq, _numbered(report, seq)) for seq, report, _, _ in rows]


def told(aet: str, seq: int) -> Statement:
    """Remember up to which event a title was told."""
    return Statement("UPDATE workitem_subscriber SET seen = greatest(seen, %s) WHERE aet = %s", (seq, aet))


def _numbered(report: bytes, seq: int) -> bytes:
    """A report with a Message ID, by which one who passes it on over DIMSE can name it."""
    members: Mapping[str, Any] = msgspec.json.decode(report, type=dict[str, msgspec.Raw])
    numbered = {**members, MESSAGE_ID: {"vr": "US", "Value": [seq % MESSAGES]}}
    return msgspec.json.encode(dict(sorted(numbered.items())))
