"""Who is told when: at once, when quiet hours are over, and again when nobody has acknowledged an alert.

What is to be told later waits in a row, which is taken out in the transaction that tells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from healix_fhir.care import clocks
from healix_fhir.care.alerts.clinic import Clinic
from healix_fhir.care.alerts.hours import Hours
from healix_fhir.care.alerts.resources import Notice
from healix_fhir.care.alerts.rule import PATIENT, SEVERITY, Rule
from healix_fhir.care.alerts.telling import APART, Told, tell
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID

URGENT = SEVERITY.index("high")
"""From this severity on no quiet hours keep people from being told."""
BATCH = 200

_notice = msgspec.json.Decoder(Notice)
Waiting = tuple[Notice, int, datetime]


def first(raised: Sequence[tuple[Notice, Rule]], clinic: Clinic, moment: datetime) -> Work[None]:
    """Tell people of alerts that have just been raised, and put down when they are told again.

    What can wait is told to the care team in the hours of the clinic's clock, to patients in those of their own.
    """
    apart = {notice.pat for notice, rule in raised if PATIENT in notice.told and _hours(rule, clinic) is not None}
    homes = (yield from clocks.homes(apart, clinic.zone)) if apart else {}
    now: list[Told] = []
    later: list[Waiting] = []
    for notice, rule in raised:
        hours = _hours(rule, clinic)
        told = moment if hours is None else hours.told(moment, clinic.zone)
        theirs = hours.told(moment, homes[notice.pat][1]) if hours is not None and notice.pat in homes else told
        for part, step, when in _parts(notice, told, theirs):
            if when <= moment:
                now.append((part, step))
            else:
                later.append((part, step, when))
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


def _hours(rule: Rule, clinic: Clinic) -> Hours | None:
    """The hours in which people are told of the alerts of a rule; None: always."""
    return None if rule.rank >= URGENT else rule.hours or clinic.hours


def _parts(notice: Notice, told: datetime, theirs: datetime) -> list[Waiting]:
    """What is told when, of one notice: in two parts where the patient is told at another time than the care team."""
    if told == theirs or PATIENT not in notice.told:
        return [(notice, 0, told)]
    team = tuple(one for one in notice.told if one != PATIENT)
    own = msgspec.structs.replace(notice, told=(PATIENT,))
    return [*([(msgspec.structs.replace(notice, told=team), 0, told)] if team else []), (own, APART, theirs)]


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
        if issue in known and not (step > 0 and known[issue][0]):
            _, pat, patient = known[issue]  # whose the alert is now: Patients may have been merged since
            told.append((msgspec.structs.replace(_notice.decode(bytes(body)), pat=pat, patient=patient), step))
    if told:
        yield from tell(told, moment, clinic)
    return len(rows)
