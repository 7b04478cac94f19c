"""Who is told when: at once, when quiet hours are over, and again when nobody has acknowledged an alert.

What is to be told later waits in a row, which is taken out in the transaction that tells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from healix_fhir.care.alerts.clinic import Clinic
from healix_fhir.care.alerts.resources import Notice
from healix_fhir.care.alerts.rule import SEVERITY, Rule
from healix_fhir.care.alerts.telling import Told, tell
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID

URGENT = SEVERITY.index("high")
"""From this severity on no quiet hours keep people from being told."""
BATCH = 200

_notice = msgspec.json.Decoder(Notice)
Waiting = tuple[Notice, int, datetime]


def first(raised: Sequence[tuple[Notice, Rule]], clinic: Clinic, moment: datetime) -> Work[None]:
    """Tell people of alerts that have just been raised, and put down when they are told again."""
    now: list[Told] = []
    later: list[Waiting] = []
    for notice, rule in raised:
        opened = rule.hours or clinic.hours
        told = moment if opened is None or rule.rank >= URGENT else opened.told(moment, clinic.zone)
        if told <= moment:
            now.append((notice, 0))
        else:
            later.append((notice, 0, told))
        for step, one in enumerate(rule.escalations, 1):
            later.append((msgspec.structs.replace(notice, words=one.words), step, told + one.after))
    if now:
        yield from tell(now, moment, clinic)
    if later:
        yield Statement(
            """INSERT INTO alert_notice (issue, step, due, notice)
               SELECT * FROM unnest(%s::text[], %s::smallint[], %s::timestamptz[], %s::bytea[])
               ON CONFLICT (issue, step) DO NOTHING""",
            (
                [notice.issue for notice, _, _ in later],
                [step for _, step, _ in later],
                [due for _, _, due in later],
                [msgspec.json.encode(notice) for notice, _, _ in later],
            ),
        )


def remind(moment: datetime, clinic: Clinic) -> Work[int]:
    """Tell what is due of alerts that are still open, and unless it is the first time, not acknowledged; how many."""
    rows = yield Statement(
        """DELETE FROM alert_notice WHERE seq IN (
             SELECT seq FROM alert_notice WHERE due <= %s ORDER BY due, seq LIMIT %s FOR UPDATE SKIP LOCKED)
           RETURNING issue, step, notice""",
        (moment, BATCH),
    )
    if not rows:
        return 0
    states = yield Statement(
        """SELECT s.issue, s.acknowledged IS NOT NULL, k.pat, k.id FROM alert_state s
           JOIN resource r ON r.type = %s AND r.id = s.issue JOIN patient_key k ON k.pat = r.pat
           WHERE s.issue = ANY(%s) AND s.phase IN ('open', 'calm') FOR SHARE OF s""",
        (TYPE_ID["DetectedIssue"], [issue for issue, _, _ in rows]),
    )
    known = {issue: (acknowledged, pat, patient) for issue, acknowledged, pat, patient in states}
    told: list[Told] = []
    for issue, step, body in sorted(rows, key=lambda row: row[:2]):
        if issue in known and not (step and known[issue][0]):
            _, pat, patient = known[issue]  # whose the alert is now: Patients may have been merged since
            told.append((msgspec.structs.replace(_notice.decode(bytes(body)), pat=pat, patient=patient), step))
    if told:
        yield from tell(told, moment, clinic)
    return len(rows)
