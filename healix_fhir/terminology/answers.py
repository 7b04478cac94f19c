"""Answers to whether value sets have codes, for validation: yes, no, or not known.

Spec: FHIR R4, hl7.org/fhir/R4/terminologies.html#binding
"""

from __future__ import annotations

from collections.abc import Iterable

from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.profile.answer import Answer
from healix_fhir.model.profile.library import Question
from healix_fhir.terminology.membership import Members, judge, systems_of
from healix_fhir.terminology.resolve import look_up, resolved
from smart_auth.access import AccessContext


def answers(access: AccessContext, questions: Iterable[Question]) -> Work[dict[Question, Answer]]:
    """The answers, by what `access` may see. What terminology refuses to tell is not known."""
    by_set: dict[str, list[Question]] = {}
    for question in questions:
        by_set.setdefault(question[0], []).append(question)
    found: dict[Question, Answer] = {}
    for canonical, asked in by_set.items():
        members = yield from _members(access, canonical)
        for question in asked:
            found[question] = None if members is None else (yield from _answer(members, question))
    return found


def _members(access: AccessContext, canonical: str) -> Work[Members | None]:
    try:
        whole = (yield from look_up(access, {canonical}))[canonical]
        found = yield from resolved(access, whole)
        return Members(found, (yield from systems_of(access, found)))
    except HealixError:
        return None  # not known, or refused by name: neither yes nor no


def _answer(members: Members, question: Question) -> Work[Answer]:
    _, system, code = question
    try:
        judged = yield from judge(members.set, members.systems, system, None, code)
    except HealixError:
        return None  # as above
    return judged.member is not None
