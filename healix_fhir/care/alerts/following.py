"""What people have made of alerts: a DetectedIssue that is acknowledged, resolved, opened anew or gone.

The resource decides, whoever changed it and how: the operations, a plain update, a deletion. It also decides whose an
alert is: when Patients are merged, or that is undone, how the rule stands goes with it.

Spec: FHIR R4, hl7.org/fhir/R4/detectedissue-definitions.html#DetectedIssue.status, #DetectedIssue.mitigation
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from healix_fhir.care.alerts import flagging
from healix_fhir.care.alerts.phase import Phase, reopened, resolved
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.json import decode_stored

DETECTED_ISSUE = "DetectedIssue"
OPEN = frozenset({"registered", "preliminary"})
"""The status of an alert that nobody has resolved."""


APART = "~"
"""Between a rule and an alert that stands by itself, as the patient has another one by that rule."""


def of_patients(ids: Sequence[str]) -> Work[list[str]]:
    """The alerts of these Patients (logical ids) that are not over."""
    rows = yield Statement(
        """SELECT s.issue FROM patient_key k JOIN alert_state s ON s.pat = k.pat AND s.phase <> 'armed'
           WHERE k.id = ANY(%s) AND s.issue IS NOT NULL""",
        (sorted(ids),),
    )
    return [issue for (issue,) in rows]


def follow_people(ids: Sequence[str], moment: datetime, bases: tuple[str, ...]) -> Work[None]:
    """Take over how these DetectedIssues stand now; their Flags follow. Those that are no alerts are left alone."""
    yield from _lock(sorted(ids))
    rows = yield Statement(
        """SELECT s.issue, s.phase, s.acknowledged, s.resolved, r.deleted, r.body, s.rule, s.pat, r.pat
           FROM alert_state s
           JOIN resource r ON r.type = %s AND r.id = s.issue
           WHERE s.issue = ANY(%s) ORDER BY s.rule, s.pat""",
        (TYPE_ID[DETECTED_ISSUE], sorted(ids)),
    )
    changed: list[tuple[str, str, datetime | None, datetime | None]] = []
    flagged: dict[str, bool] = {}
    moved = [(issue, rule.partition(APART)[0], pat) for issue, *_, rule, had, pat in rows if pat not in (None, had)]
    if moved:
        yield from _move(*zip(*moved, strict=True))
    for issue, known, acknowledged, ended, deleted, body, *_ in rows:
        told = {} if deleted else decode_stored(bytes(body))
        is_open = flagged[issue] = told.get("status") in OPEN
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
    if flagged:
        yield from flagging.follow(flagged, moment, bases)


def _lock(ids: Sequence[str]) -> Work[None]:
    """Lock the rows of these alerts, and those whose place they would take, as `settle` does: first the rows that are
    not there yet are made, then all are locked, both in one order. So the two never wait for each other in a circle.
    """
    rows = yield Statement(
        """SELECT s.rule, s.pat, r.pat FROM alert_state s JOIN resource r ON r.type = %s AND r.id = s.issue
           WHERE s.issue = ANY(%s)""",
        (TYPE_ID[DETECTED_ISSUE], list(ids)),
    )
    ours = {(rule, pat) for rule, pat, _ in rows}
    theirs = {(rule.partition(APART)[0], now) for rule, pat, now in rows if now not in (None, pat)} - ours
    if theirs:
        yield made(sorted(theirs))
    every = sorted(ours | theirs)
    yield Statement(
        """SELECT FROM unnest(%s::text[], %s::bigint[]) AS x (rule, pat)
           JOIN alert_state s ON s.rule = x.rule AND s.pat = x.pat ORDER BY s.rule, s.pat FOR UPDATE OF s""",
        ([rule for rule, _ in every], [pat for _, pat in every]),
    )


def made(keys: Sequence[tuple[str, int]]) -> Statement:
    """Make the rows of rules and patients that are not there, armed, in the order of `keys`."""
    return Statement(
        """INSERT INTO alert_state (rule, pat, phase, at, rank)
           SELECT x.rule, x.pat, 'armed', '1900-01-01Z', 0
           FROM unnest(%s::text[], %s::bigint[]) WITH ORDINALITY AS x (rule, pat, n)
           ORDER BY x.n ON CONFLICT (rule, pat) DO NOTHING""",
        ([rule for rule, _ in keys], [pat for _, pat in keys]),
    )


def _move(issues: Sequence[str], rules: Sequence[str], pats: Sequence[int]) -> Work[None]:
    """Give alerts to the patients whose they are now; where such a patient has one by the same rule, both go on."""
    asked = "unnest(%s::text[], %s::text[], %s::bigint[]) AS x (issue, rule, pat)"
    params = (list(issues), list(rules), list(pats))
    yield Statement(
        f"DELETE FROM alert_state s USING {asked} WHERE s.rule = x.rule AND s.pat = x.pat AND s.phase = 'armed'", params
    )
    yield Statement(
        f"""UPDATE alert_state s SET pat = x.pat, rule = x.rule || CASE
              WHEN EXISTS (SELECT FROM alert_state o WHERE o.rule = x.rule AND o.pat = x.pat) THEN %s || x.issue
              ELSE '' END
            FROM {asked} WHERE s.issue = x.issue""",
        (APART, *params),
    )
