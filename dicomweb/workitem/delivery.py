"""What a subscriber has not been told yet, as far as the token that asks may see it.

An event is kept for an hour, so that who was cut off hears of what was missed; the standard would let it be lost
(PS3.4 CC.2.4.3: no obligation to queue or retry).

Spec: PS3.18 8.10.4 and 8.10.5 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
MESSAGE_ID, AFFECTED, EVENT_TYPE_ID = "00000110", "00001000", "00001002"
MESSAGES = 1 << 16


@dataclass(frozen=True, slots=True)
class Told:
    """One event: its number, and its report as DICOM JSON; `item` is the workitem, and `patient` whose it is."""

    seq: int
    report: bytes
    item: str | None = None
    patient: str | None = None

    @property
    def type(self) -> int:
        """Its Event Type ID."""
        return int(self._named(EVENT_TYPE_ID))

    @property
    def about(self) -> str:
        """The instance that it is about, which may be the server itself."""
        return str(self._named(AFFECTED))

    def _named(self, tag: str) -> Any:
        return msgspec.json.decode(self.report)[tag]["Value"][0]


def opened(access: AccessContext, aet: str) -> Work[int]:
    """Open a channel for a title; the number of the last event that it was told. Raises Forbidden, Busy."""
    seen = yield from take(access, aet)
    yield record([AuditRow(access.origin, "E", "workitem-channel", entity=aet)])
    return seen


def unheard(access: AccessContext, aet: str, after: int) -> Work[list[Told]]:
    """The next events for a title; what the access does not open is passed over. One statement."""
    condition = visible(access, Permission.READ)
    rows = yield Statement(
        "SELECT e.seq, e.report, w.uid, k.id FROM workitem_event e LEFT JOIN workitem w ON w.pk = e.workitem"
        " LEFT JOIN patient_key k ON k.pat = w.pat"
        f" WHERE e.seq > %s AND e.receivers @> ARRAY[%s] AND (e.workitem IS NULL OR {condition.sql})"
        " ORDER BY e.seq LIMIT %s",
        (after, aet, *condition.params, AT_ONCE),
    )
    return [Told(seq, _numbered(report, seq), uid, patient) for seq, report, uid, patient in rows]


def shown(access: AccessContext, aet: str, events: Sequence[Told]) -> list[AuditRow]:
    """What the trail says of events that a title is told: a row for each item."""
    items = dict.fromkeys((one.item, one.patient) for one in events if one.item is not None)
    return [
        AuditRow(access.origin, "R", "workitem-event", patient=patient, entity=uid, query=aet) for uid, patient in items
    ]


def pending(access: AccessContext, aet: str, after: int) -> Work[list[Told]]:
    """The next events for a title, audited as told. One statement where there are none."""
    events = yield from unheard(access, aet, after)
    if rows := shown(access, aet, events):
        yield record(rows)
    return events


def told(aet: str, seq: int) -> Statement:
    """Remember up to which event a title was told."""
    return Statement("UPDATE workitem_subscriber SET seen = greatest(seen, %s) WHERE aet = %s", (seq, aet))


def _numbered(report: bytes, seq: int) -> bytes:
    """A report with a Message ID, by which one who passes it on over DIMSE can name it."""
    members: Mapping[str, Any] = msgspec.json.decode(report, type=dict[str, msgspec.Raw])
    numbered = {**members, MESSAGE_ID: {"vr": "US", "Value": [seq % MESSAGES]}}
    return msgspec.json.encode(dict(sorted(numbered.items())))
