"""All matches of a search, for operations that compute with them: the newest first, up to a limit.

Spec: FHIR R4, hl7.org/fhir/R4/search.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from healix_fhir.kernel.database import Fragment, Row, Statement, Work
from healix_fhir.kernel.errors import invalid, too_large
from healix_fhir.search.controls import CONTROLS
from healix_fhir.search.fragments import NOTHING, strung
from healix_fhir.search.limited import limited
from healix_fhir.search.query import Query, parse
from healix_fhir.search.run import reading_of, require
from healix_fhir.search.statement import matches
from healix_fhir.search.terms import understood
from healix_fhir.search.wholeness import check_whole
from smart_auth.access import AccessContext


class Matched(msgspec.Struct, frozen=True):
    """A match. `date` is the first instant of its main clinical date as PostgreSQL gives it, None without one."""

    date: object
    id: str
    body: bytes


def conditions(type_name: str, params: Sequence[tuple[str, str]], operation: str, base: str) -> Query:
    """The search of a type by parameters that say which resources are meant, and not how they come back."""
    for name, _ in params:
        if name.partition(":")[0] in CONTROLS:
            raise invalid(
                f"{operation} does not take the parameter '{name[:64]}'", code="value", expression=(name[:64],)
            )
    return parse(type_name, params, strict=True, base=base)


def matched(
    access: AccessContext, query: Query, most: int, base: str, *, cut: bool = False, heaviest: int | None = None
) -> Work[list[Matched]]:
    """The matches that the caller may see. Raises Forbidden, TooLarge when there are more than `most`,
    or Unavailable while the index is not whole.

    With `cut` the newest of more are given instead. Those with more than `heaviest` bytes come with an empty body.
    """
    require(access, query.needed)
    check_whole(query.ignored)
    query = replace(query, where=(yield from understood(access, query.where, base)))
    rows = yield from _rows(access, query, most + 1, heaviest)
    if len(rows) > most and not cut:
        raise too_large(f"more than {most} resources match: narrow the search")
    return [Matched(*row) for row in rows[:most]]


def _rows(access: AccessContext, query: Query, limit: int, heaviest: int | None) -> Work[list[Row]]:
    reading = reading_of(access, query)
    found = matches(reading)
    if found == NOTHING:
        return []
    lists = [Fragment(f"{name} AS MATERIALIZED ({rows.sql})", rows.params) for name, rows in reading.plan.lists.members]
    members = strung(",\n", [*lists, Fragment(f"found AS ({found.sql})", found.params)])
    body = Fragment("r.body")
    if heaviest is not None:
        body = Fragment("CASE WHEN octet_length(r.body) <= %s THEN r.body ELSE ''::bytea END", (heaviest,))
    statement = Statement(
        f"""WITH {members.sql}
SELECT r.d, r.id, {body.sql} FROM resource r WHERE r.pk IN (SELECT pk FROM found)
ORDER BY r.d DESC NULLS LAST, r.pk DESC LIMIT %s""",
        (*members.params, *body.params, limit),
        prepare=False,
    )
    return (yield from limited(statement, query.where))
