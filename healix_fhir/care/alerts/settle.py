"""What becomes of verdicts: alerts are raised, over, or go on. All of it is in the caller's transaction.

The row of a rule and a patient is locked while its alert is decided on, so that of several workers one raises it. The
id of an alert is made of its rule, its patient and what raised it: nothing raises two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from healix_fhir.care.alerts import following
from healix_fhir.care.alerts.activity import made as enacted
from healix_fhir.care.alerts.assess import Assessed
from healix_fhir.care.alerts.clinic import Clinic
from healix_fhir.care.alerts.flagging import FLAG, flag
from healix_fhir.care.alerts.judge import labels
from healix_fhir.care.alerts.notices import first
from healix_fhir.care.alerts.phase import Phase, State, follow
from healix_fhir.care.alerts.resources import Notice, detected_issue, id_of
from healix_fhir.care.alerts.telling import ACCESS
from healix_fhir.interaction.accept import change
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.store.commit import commit
from healix_fhir.store.stored import Method

Key = tuple[str, int]
EVIDENCE = 20
"""Observations that an alert names: the newest. It has the labels of all that it rests on."""


class Row(msgspec.Struct):
    """A row of alert_state as it is locked, and as it shall be."""

    state: State
    issue: str | None
    rank: int
    raised: datetime | None
    changed: bool = False


def settle(assessed: Sequence[Assessed], clinic: Clinic, moment: datetime) -> Work[None]:
    """Take in verdicts, in the order of their times for each rule and patient."""
    if not assessed:
        return
    raising = sorted({_key(one) for one in assessed if one.verdict.raises})
    rows = yield from _lock(raising, sorted({_key(one) for one in assessed}))
    if not rows:
        return
    news = _followed(assessed, rows, moment)
    yield from _raise(news, rows, clinic, moment)
    kept = {key: row for key, row in rows.items() if row.changed}
    if kept:
        yield _keep(kept)


def _key(one: Assessed) -> Key:
    return one.case.held.key, one.case.pat


def _lock(raising: Sequence[Key], every: Sequence[Key]) -> Work[dict[Key, Row]]:
    """The rows of these, made where an alert may be raised, and then locked in one order, so that workers wait for each
    other and never in a circle.
    """
    if raising:
        yield following.made(raising)
    rows = yield Statement(
        """SELECT s.rule, s.pat, s.phase, s.at, s.resolved, s.issue, s.rank, s.raised
           FROM unnest(%s::text[], %s::bigint[]) AS x (rule, pat)
           JOIN alert_state s ON s.rule = x.rule AND s.pat = x.pat
           ORDER BY s.rule, s.pat FOR UPDATE OF s""",
        ([rule for rule, _ in every], [pat for _, pat in every]),
    )
    return {
        (rule, pat): Row(State(Phase(phase), at, resolved), issue, rank, raised)
        for rule, pat, phase, at, resolved, issue, rank, raised in rows
    }


def _followed(assessed: Sequence[Assessed], rows: Mapping[Key, Row], moment: datetime) -> dict[str, Assessed]:
    """The states after all verdicts, and what is to be raised by the id of its alert."""
    news: dict[str, Assessed] = {}
    for one in assessed:
        row = rows.get(_key(one))
        if row is None:
            continue
        state, raised = follow(row.state, one.verdict, moment)
        row.changed |= one.verdict.raises or state.phase is not row.state.phase
        row.state = state
        if raised:
            cause = one.case.came.id if one.case.came is not None else one.case.at.isoformat()
            row.issue = id_of(*_key(one), cause)
            row.rank, row.raised = one.case.held.rule.rank, moment
            news[row.issue] = one
    return news


def _raise(news: dict[str, Assessed], rows: Mapping[Key, Row], clinic: Clinic, moment: datetime) -> Work[None]:
    """Write the alerts, and tell people or see to it that they are told. What was raised before is not raised again."""
    if not news:
        return
    there = yield Statement(
        "SELECT id FROM resource WHERE type = %s AND id = ANY(%s)", (TYPE_ID["DetectedIssue"], list(news))
    )
    for (id_,) in there:
        row = rows[_key(news.pop(id_))]
        row.state, row.issue = State(Phase.ARMED, row.state.at), None  # it was told of once and for all
    if not news:
        return
    patients = yield Statement(
        "SELECT pat, id FROM patient_key WHERE pat = ANY(%s)", (list({one.case.pat for one in news.values()}),)
    )
    named: dict[int, str] = dict(patients)
    changes, notices = [], []
    for id_, one in news.items():
        rule, patient, marks = one.case.held.rule, named[one.case.pat], labels(one.evidence)
        evidence = [observed.id for observed in one.evidence[-EVIDENCE:]]
        issue = detected_issue(id_, one.case.held.key, rule, patient, evidence, marks, moment)
        changes.append(change(Method.PUT, issue, "DetectedIssue", id_, clinic.bases))
        made = flag(issue)
        changes.append(change(Method.PUT, made, FLAG, made["id"], clinic.bases))
        if rule.activity is not None:
            done = enacted(rule.activity, issue, rule.rank)
            changes.append(change(Method.PUT, done, done["resourceType"], done["id"], clinic.bases))
        notice = Notice(
            id_, patient, one.case.pat, rule.title, rule.words, rule.plain, rule.rank, tuple(rule.told), tuple(marks)
        )
        notices.append((notice, rule))
    yield from commit(ACCESS, changes)
    yield from first(notices, clinic, moment)


def _keep(rows: Mapping[Key, Row]) -> Statement:
    return Statement(
        """UPDATE alert_state s SET phase = x.phase, at = x.at, issue = x.issue, rank = x.rank, raised = x.raised,
             resolved = x.resolved,
             acknowledged = CASE WHEN s.issue IS NOT DISTINCT FROM x.issue THEN s.acknowledged END
           FROM unnest(%s::text[], %s::bigint[], %s::text[], %s::timestamptz[], %s::text[], %s::smallint[],
                       %s::timestamptz[], %s::timestamptz[])
             AS x (rule, pat, phase, at, issue, rank, raised, resolved)
           WHERE s.rule = x.rule AND s.pat = x.pat""",
        (
            [rule for rule, _ in rows],
            [pat for _, pat in rows],
            [str(row.state.phase) for row in rows.values()],
            [row.state.at for row in rows.values()],
            [row.issue for row in rows.values()],
            [row.rank for row in rows.values()],
            [row.raised for row in rows.values()],
            [row.state.resolved for row in rows.values()],
        ),
    )
