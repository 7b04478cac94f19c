"""An account of accesses: who had to do with a patient's record, the newest first.

Spec: FHIR R4, hl7.org/fhir/R4/auditevent.html; IHE BALP 1.1.3 (the patient as a reader of the trail)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from healix_fhir.interaction.trail.render import Recorded
from healix_fhir.interaction.trail.trail import COLUMNS, FROM, visible
from healix_fhir.kernel.audit import AUDIT_EVENT, AuditRow, record
from healix_fhir.kernel.database import Statement, Work
from smart_auth.access import AccessContext
from smart_auth.scope import Permission


@dataclass(frozen=True, slots=True)
class After:
    """Where a page begins: at what was recorded at `moment`, of which the page before had the first `had`."""

    moment: datetime
    had: int = 0


@dataclass(frozen=True, slots=True)
class Accesses:
    """Rows of the trail, and where the next page begins, if there is one."""

    rows: tuple[Recorded, ...]
    further: After | None


def accesses(access: AccessContext, after: After | None, most: int) -> Work[Accesses]:
    """Up to `most` rows of the records that `access` sees. Raises Forbidden.

    Pages are parted by moments and not by the numbers of rows, which would tell how much the server does.
    """
    access.require_whole(AUDIT_EVENT, Permission.SEARCH, "the audit trail")
    seen = visible(access, Permission.SEARCH)
    moment = after.moment if after is not None else None
    found = yield Statement(
        f"""SELECT {COLUMNS} FROM {FROM} WHERE {seen.sql} AND (%s::timestamptz IS NULL OR e.recorded <= %s)
            ORDER BY e.recorded DESC, e.seq DESC LIMIT %s OFFSET %s""",
        (*seen.params, moment, moment, most + 1, after.had if after is not None else 0),
        prepare=False,
    )
    yield record([AuditRow(access.origin, "E", "search-type", patient=access.patient, entity=AUDIT_EVENT)])
    rows = tuple(Recorded(*row) for row in found)
    return Accesses(rows[:most], _following(rows[:most], after) if len(rows) > most else None)


def _following(rows: Sequence[Recorded], after: After | None) -> After:
    last = rows[-1].recorded
    had = sum(row.recorded == last for row in rows)
    return After(last, had + (after.had if after is not None and after.moment == last else 0))
