"""Rules and what they are to be looked at with, a batch at a time: the verdict of each, or why it failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from healix_fhir.care.alerts.book import Book, Held
from healix_fhir.care.alerts.judge import judge, window
from healix_fhir.care.alerts.observed import Observed, Span, within
from healix_fhir.care.alerts.phase import Verdict
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.fhirpath.engine import Node

FRESH = timedelta(hours=24)
"""Readings that were made longer ago than this raise nothing: they are history."""
AHEAD = timedelta(minutes=10)
"""Nor do those that somebody's clock has put so far into the future."""
EVIDENCE = 20
"""Observations that an alert names: the newest."""

Known = Mapping[tuple[int, str], Sequence[Observed]]


class Case(msgspec.Struct, frozen=True):
    """A rule that is to be looked at for a patient at a time, with what came then (an Observation), or the Patient."""

    held: Held
    pat: int
    at: datetime
    focus: Node
    came: Observed | None = None


class Assessed(msgspec.Struct, frozen=True):
    """A case with its verdict; `evidence` are the Observations that it rests on, oldest first."""

    case: Case
    verdict: Verdict
    evidence: tuple[Observed, ...]


class Failed(msgspec.Struct, frozen=True):
    """A case in which the rule could not be evaluated, and why."""

    case: Case
    reason: str


def cases(book: Book, came: Sequence[Observed], moment: datetime) -> list[Case]:
    """The rules that are looked at because of these Observations."""
    return [
        Case(held, one.pat, one.at, one.node, one)
        for one in came
        if moment - FRESH <= one.until and one.at <= moment + AHEAD
        for held in book.concerning(one.codings(), one.pat)
        if held.rule.period is None and held.concerns(one.pat, one.at)
    ]


def assess(asked: Sequence[Case]) -> Work[tuple[list[Assessed], list[Failed]]]:
    """The verdicts of cases, in their order; one statement finds all that they look back at."""
    spans = _spans(asked)
    known = (yield from within(spans)) if spans else {}
    of: dict[int, dict[str, Sequence[Observed]]] = defaultdict(dict)
    for (pat, code), listed in known.items():
        of[pat][code] = listed
    assessed, failed = [], []
    for case in asked:
        windows = {one.name: window(one, case.at, of[case.pat]) for one in case.held.rule.inputs}
        try:
            verdict = judge(case.held.rule, case.focus, case.at, windows)
        except HealixError as error:
            failed.append(Failed(case, error.message))
        else:
            assessed.append(Assessed(case, verdict, _evidence(case, windows.values()) if verdict.raises else ()))
    return assessed, failed


def _spans(asked: Sequence[Case]) -> list[Span]:
    """What the cases look back at: for each patient and code once, as far as any does."""
    begins: dict[tuple[int, str], datetime] = {}
    ends: dict[tuple[int, str], datetime] = {}
    for case in asked:
        for one in case.held.rule.inputs:
            for _, code in one.codes:
                key, begin = (case.pat, code), case.at - one.window
                begins[key] = min(begins.get(key, begin), begin)
                ends[key] = max(ends.get(key, case.at), case.at)
    return [Span(*key, begin, ends[key]) for key, begin in begins.items()]


def _evidence(case: Case, windows: Iterable[Sequence[Observed]]) -> tuple[Observed, ...]:
    found = {one.id: one for listed in windows for one in listed}
    if case.came is not None:
        found[case.came.id] = case.came
    return tuple(sorted(found.values(), key=lambda one: (one.at, one.id))[-EVIDENCE:])
