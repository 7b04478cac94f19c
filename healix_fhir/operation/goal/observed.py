"""The Observations by which a Goal is measured, and the progress that they make.

All since the start are read, up to a limit, and a few before it for the baseline; of more the newest count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, tzinfo

from healix_fhir.kernel.clock import instant
from healix_fhir.kernel.database import Work
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.goal.progress import Progress, progress
from healix_fhir.operation.goal.reading import COUNTING, readings
from healix_fhir.operation.goal.target import Coding, Plan
from healix_fhir.search.matched import Matched, conditions, matched
from healix_fhir.search.values import escape
from smart_auth.access import AccessContext

OBSERVATION = "Observation"
MOST = 10_000
"""Observations since the start that are read."""
BEFORE = 20
"""Observations before the start among which the baseline is looked for."""


def observed(access: AccessContext, plan: Plan, zone: tzinfo, base: str) -> Work[list[Matched]]:
    """What the caller sees of the Observations that count. Raises as `search.matched.matched` does."""
    codes = sorted({code for target in plan.measured for code in target.codes})
    if not codes:
        return []
    common = [
        ("patient", f"Patient/{plan.patient}"),
        ("status", ",".join(COUNTING)),
        ("combo-code", ",".join(map(_token, codes))),
    ]
    if plan.start is None:
        return (yield from _newest(access, common, MOST, base))
    start = instant(datetime.combine(plan.start, time(), zone))
    since = yield from _newest(access, [*common, ("date", f"ge{start}")], MOST, base)
    before = yield from _newest(access, [*common, ("date", f"lt{start}")], BEFORE, base)
    known = {one.id for one in since}  # what lasts over the start is in both
    return [*since, *(one for one in before if one.id not in known)]


def measured(plan: Plan, found: Iterable[Matched], zone: tzinfo, today: date) -> list[Progress]:
    """The progress of each target that can be measured."""
    observations = [decode_stored(one.body) for one in found]
    return [progress(target, readings(target, observations, zone), plan.start, today) for target in plan.measured]


def _newest(access: AccessContext, params: Sequence[tuple[str, str]], most: int, base: str) -> Work[list[Matched]]:
    query = conditions(OBSERVATION, params, "$progress", base)
    return (yield from matched(access, query, most, base, cut=True))


def _token(code: Coding) -> str:
    system, value = code
    return f"{escape(system)}|{escape(value)}" if system else escape(value)
