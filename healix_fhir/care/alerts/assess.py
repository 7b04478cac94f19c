"""Rules and what they are to be looked at with, a batch at a time: the verdict of each, or why it failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from healix_fhir.care.alerts.book import Book, Held
from healix_fhir.care.alerts.judge import UnreadError, clears, raises, window
from healix_fhir.care.alerts.observed import Observed, Span, within
from healix_fhir.care.alerts.phase import Verdict
from healix_fhir.care.alerts.rule import Input
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.fhirpath.engine import Node

FRESH = timedelta(hours=24)
"""Readings that were made longer ago than this raise nothing: they are history."""
AHEAD = timedelta(minutes=10)
"""Nor do those that somebody's clock has put so far into the future."""


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
        for held in book.concerning(one.codings, one.pat)
        if held.rule.period is None and held.concerns(one.pat, one.at)
    ]


def assess(asked: Sequence[Case]) -> Work[tuple[list[Assessed], list[Failed]]]:
    """The verdicts of cases that raise an alert, or of which there is one that may be over, in their order.

    What the rules look back at is read for those alone that get so far as to ask for it, with one statement.
    """
    first = [_first(case) for case in asked]
    pats = sorted({case.pat for case in asked})
    rows = (yield Statement(RESTLESS, (pats,))) if pats else []
    restless = {(rule, pat) for rule, pat in rows}
    maybe = restless | {_key(case) for case, found in zip(asked, first, strict=True) if found is not False}
    spans = _spans([case for case in asked if case.held.rule.inputs and _key(case) in maybe])
    known = (yield from within(spans)) if spans else {}
    of: dict[int, dict[str, Sequence[Observed]]] = defaultdict(dict)
    for (pat, code), listed in known.items():
        of[pat][code] = listed
    assessed: list[Assessed] = []
    failed: list[Failed] = []
    for case, found in zip(asked, first, strict=True):
        if _key(case) not in maybe:
            continue
        verdict = _verdict(case, found, of[case.pat], known=_key(case) in restless)
        if isinstance(verdict, HealixError):
            failed.append(Failed(case, verdict.message))
        elif verdict is not None:
            restless.add(_key(case))
            assessed.append(Assessed(case, verdict, _evidence(case, of[case.pat]) if verdict.raises else ()))
    return assessed, failed


RESTLESS = "SELECT rule, pat FROM alert_state WHERE pat = ANY(%s) AND phase <> 'armed'"


def _key(case: Case) -> tuple[str, int]:
    return case.held.key, case.pat


def _first(case: Case) -> bool | HealixError | None:
    """Whether a rule raises an alert, or why it failed; None where it has to look back to know."""
    try:
        return raises(case.held.rule, case.focus, case.at, None)
    except UnreadError:
        return None
    except HealixError as error:
        return error


def _verdict(
    case: Case, first: bool | HealixError | None, read: Mapping[str, Sequence[Observed]], *, known: bool
) -> Verdict | HealixError | None:
    """The verdict of a case; None where it changes nothing: it raises none, and there is none to be over."""
    if isinstance(first, HealixError):
        return first
    rule = case.held.rule

    def find(one: Input) -> list[Observed]:
        return window(one, case.at, read)

    try:
        if first or (first is None and raises(rule, case.focus, case.at, find)):
            return Verdict(case.at, raises=True, clears=False)
        return Verdict(case.at, raises=False, clears=clears(rule, case.focus, case.at, find)) if known else None
    except HealixError as error:
        return error


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


def _evidence(case: Case, read: Mapping[str, Sequence[Observed]]) -> tuple[Observed, ...]:
    found = {one.id: one for asked in case.held.rule.inputs for one in window(asked, case.at, read)}
    if case.came is not None:
        found[case.came.id] = case.came
    return tuple(sorted(found.values(), key=lambda one: (one.at, one.id)))
