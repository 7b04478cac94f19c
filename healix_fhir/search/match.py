"""The first matches of conditions: what conditional interactions and conditional references ask of a search.

A condition is an ordinary search of one type, read strictly and within what its caller may see; only parameters that
choose resources may stand in it. Conditions of one shape (the same SQL with other values) are answered by one
statement, so that a bundle of many costs few.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#ccreate, #cond-update, #3.1.0.7.1, #trules
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from healix_fhir.kernel.arrays import Array, int8, text, timestamptz
from healix_fhir.kernel.database import Statement, Work
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.search.controls import CONTROLS, EDGE
from healix_fhir.search.limited import short_parts, too_short
from healix_fhir.search.query import parse
from healix_fhir.search.run import reading_of
from healix_fhir.search.statement import page_statement
from healix_fhir.search.terms import understood
from healix_fhir.search.wholeness import check_whole
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

PLACEHOLDER = re.compile("%%|%s")
COLUMNS: Mapping[type[Any], tuple[str, Callable[[Iterable[Any]], Array]]] = {
    int: ("bigint", int8),
    str: ("text", text),
    datetime: ("timestamptz", timestamptz),
}
"""Values that can travel as a column of many, by their type."""


class Condition(msgspec.Struct, frozen=True):
    """A search for the resources of a type that some action depends on."""

    type: str
    params: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return f"{self.type}?{urlencode(self.params)}"


class Match(msgspec.Struct, frozen=True):
    """A resource of which a condition holds, in the version of which it holds."""

    id: str
    version: int
    updated: datetime


class Asked(msgspec.Struct, frozen=True):
    """A condition as its caller may see it; up to `limit` matches are wanted."""

    access: AccessContext
    condition: Condition
    limit: int = 2


Matches = tuple[Match, ...] | HealixError


def match(access: AccessContext, condition: Condition, *, base: str, limit: int = 2) -> Work[tuple[Match, ...]]:
    """Up to `limit` matches. Raises Invalid or Unsupported for what is no condition, Forbidden to search."""
    (found,) = yield from match_each([Asked(access, condition, limit)], base=base)
    if isinstance(found, HealixError):
        raise found
    return found


def match_each(asked: Sequence[Asked], *, base: str) -> Work[list[Matches]]:
    """The matches of any number of conditions, each found or refused by itself; `base` is this server's FHIR base."""
    answers: list[Matches] = []
    shapes: dict[tuple[str, tuple[type[Any], ...]], list[int]] = defaultdict(list)
    statements: dict[int, Statement] = {}
    for number, one in enumerate(asked):
        try:
            statement = statements[number] = yield from _statement(one, base)
        except HealixError as error:
            answers.append(error)
            continue
        answers.append(())
        shapes[statement.sql, tuple(map(type, statement.params))].append(number)
    for (_, kinds), numbers in shapes.items():
        for group in _groups(kinds, numbers):
            rows = yield _together([statements[number] for number in group])
            for n, id_, version, updated in rows:
                before = answers[group[n - 1]]
                assert isinstance(before, tuple)
                answers[group[n - 1]] = (*before, Match(id_, version, updated))
    return answers


def _statement(asked: Asked, base: str) -> Work[Statement]:
    """The search of one condition; rows as of `page_statement`."""
    access, condition = asked.access, asked.condition
    access.require(condition.type, Permission.SEARCH)
    for name, _ in condition.params:
        if name.partition(":")[0] in CONTROLS and name not in EDGE:
            raise invalid(f"{name[:64]} chooses no resource: it cannot stand in a condition", code="value")
    query = parse(condition.type, condition.params, strict=True, base=base)
    check_whole(query.ignored)
    if not query.where:
        raise invalid("a condition needs at least one search parameter that chooses resources", code="required")
    short = next(short_parts(query.where), None)
    if short is not None:
        raise too_short(short)
    query = replace(query, where=(yield from understood(access, query.where, base)))
    return page_statement(replace(reading_of(access, query), limit=asked.limit))


def _groups(kinds: Sequence[type[Any]], numbers: list[int]) -> list[list[int]]:
    """Which conditions of one shape go together: all, where their values can travel as columns."""
    return [numbers] if all(kind in COLUMNS for kind in kinds) else [[number] for number in numbers]


def _together(statements: Sequence[Statement]) -> Statement:
    """One statement for several of one shape: rows of (position from 1, id, version, updated).

    What is the same in all of them stays a parameter of its own, so that the planner sees its value.
    """
    columns = list(zip(*(statement.params for statement in statements), strict=True))
    varying = [place for place, values in enumerate(columns) if any(value != values[0] for value in values)]
    sql, shared = _inner(statements[0].sql, columns, varying)
    names = "".join(f"p{place}, " for place in varying)
    arrays = [(*COLUMNS[type(columns[place][0])], columns[place]) for place in varying]
    unnested = ", ".join([*(f"%s::{kind}[]" for kind, _, _ in arrays), "%s::bigint[]"])
    return Statement(
        f"""SELECT asked.n, m.id, m.version, m.updated FROM unnest({unnested}) AS asked ({names}n)
            CROSS JOIN LATERAL ({sql}) m WHERE m.id IS NOT NULL""",
        (*(make(values) for _, make, values in arrays), int8(range(1, len(statements) + 1)), *shared),
        prepare=False,
    )


def _inner(sql: str, columns: Sequence[Sequence[Any]], varying: Sequence[int]) -> tuple[str, list[Any]]:
    """The SQL with the columns in place of the varying parameters, and the values of the others."""
    places = iter(range(len(columns)))
    shared: list[Any] = []

    def put(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%%"
        place = next(places)
        if place in varying:
            return f"asked.p{place}"
        shared.append(columns[place][0])
        return "%s"

    return PLACEHOLDER.sub(put, sql), shared
