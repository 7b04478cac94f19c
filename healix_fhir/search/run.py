"""Running a search: at most two statements, one for the matches with their total, one for what they include.

Only an estimated total that turns out to be large costs one more, for the planner's estimate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from healix_fhir.kernel.database import Row, Work
from healix_fhir.kernel.errors import forbidden
from healix_fhir.model.definitions import TYPE_NAME
from healix_fhir.search.contained import Contained, with_contained
from healix_fhir.search.estimate import ends, estimate
from healix_fhir.search.fragments import EVERYTHING
from healix_fhir.search.included import included, left_out
from healix_fhir.search.index_facts import main_date
from healix_fhir.search.keyset import Keyset, Place
from healix_fhir.search.limited import limited
from healix_fhir.search.page import Cursor, Signer, foreign
from healix_fhir.search.plan import ends_soon, plan
from healix_fhir.search.query import Query
from healix_fhir.search.result import Hit, SearchResult, Total
from healix_fhir.search.statement import ROUGHLY, Reading, page_statement
from healix_fhir.search.terms import understood
from healix_fhir.search.visible import groups
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

SEARCHED = (Permission.SEARCH,)
HEAD = 3
"""Columns of a row before its sort keys: total, ceiling, phase."""


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page in order, and whether there are more before and behind."""

    rows: list[Row]
    before: bool
    behind: bool


def search(access: AccessContext, query: Query, *, base: str, signer: Signer) -> Work[SearchResult]:
    """The page of `query` that `access` may see, with links that hold on the server at `base` only.

    Raises Forbidden when no scope opens a search of any of the types, Invalid for a cursor of another search.
    """
    require(access, query.needed)
    cursor = unseal(query, base, signer)
    query = replace(query, where=(yield from understood(access, query.where, base)))
    reading = reading_of(access, query, cursor)
    rows = yield from limited(page_statement(reading), query.where)
    total, ceiling = rows[0][:2]
    found = _page(query, cursor, [row for row in rows if row[2] is not None])
    if total is None and not found.before and not found.behind:
        total = len(found.rows)
    elif reading.total is Total.ESTIMATE and total > ROUGHLY:
        total = yield from estimate(reading)
    entries = [_hit(row) for row in found.rows]
    issues = query.ignored
    if query.includes and found.rows:
        brought, whole = yield from included(access, query.includes, [row[-6] for row in found.rows])
        entries += brought
        issues += () if whole else (left_out(),)
    ceiling = ceiling if cursor is None else cursor.ceiling
    return SearchResult(entries, total, dict(_links(query, base, signer, ceiling, found)), issues)


def require(access: AccessContext, types: Sequence[str]) -> None:
    """Refuse (Forbidden) a search of types none of which a scope opens."""
    if len(types) == 1:
        access.require(types[0], Permission.SEARCH)
    elif types and not any(access.allows(name, Permission.SEARCH) for name in types):
        raise forbidden("the token's scope does not allow a search of any of the types")


def reading_of(access: AccessContext, query: Query, cursor: Cursor | None = None) -> Reading:
    """What is read for a page of `query`."""
    access = _sweeping(access, query)
    keyset = Keyset(query.order) if cursor is None else Keyset(query.order, cursor.backward, cursor.place)
    dated = all(main_date(name) is not None for name in query.types)
    itself = query.types if query.contained is not Contained.TRUE else ()
    way = plan(groups(itself, SEARCHED, access), query.where, query.order, access, dated=dated)
    if query.contained is not Contained.FALSE:
        way = with_contained(way, query.types, query.where, query.order, access)
    return Reading(
        plan=way,
        keyset=keyset,
        access=access,
        limit=query.count + 1 if query.count else 0,
        total=_total(access, query),
        ceiling=cursor.ceiling if cursor is not None else None,
    )


def _sweeping(access: AccessContext, query: Query) -> AccessContext:
    """The access that a page is read with: for who cares for many it has a list of these, where it is read in order."""
    queried = any(scope.query for scope in access.scopes)
    return access.sweeping() if ends_soon(query.where) and not queried else access


def _total(access: AccessContext, query: Query) -> Total:
    """An estimate for those who see only a part would tell of the rest: they get the accurate number.

    The types that chains lead to count as well.
    """
    if query.total is Total.ESTIMATE and query.contained is not Contained.FALSE:
        return Total.ACCURATE
    if query.total is Total.ESTIMATE and any(
        access.compartments(name, Permission.SEARCH, "t.pat") != EVERYTHING
        for name in (*query.types, *ends(query.where))
    ):
        return Total.ACCURATE
    return query.total


def _page(query: Query, cursor: Cursor | None, rows: list[Row]) -> Found:
    more = len(rows) > query.count > 0
    page = rows[: query.count]
    if cursor is None or not cursor.backward:
        return Found(page, before=cursor is not None and bool(page), behind=more)
    return Found(page[::-1], before=more, behind=cursor.place is not None)


def _hit(row: Row) -> Hit:
    _, type_id, id_, version, updated, body = row[-6:]
    return Hit(TYPE_NAME[type_id], id_, version, updated, body, "match")


def _links(query: Query, base: str, signer: Signer, ceiling: int, found: Found) -> Iterator[tuple[str, str]]:
    def at(row: Row | None, *, backward: bool) -> str:
        place = None if row is None else Place(row[2], tuple(row[HEAD:-6]), row[-6])
        sealed = signer.seal(Cursor(ceiling, backward, place), _bound(query, base))
        return urlencode([*query.params, ("_cursor", sealed)])

    yield "self", urlencode(query.params)
    if not found.rows or not (found.before or found.behind):
        return
    yield "first", urlencode(query.params)
    if found.before:
        yield "previous", at(found.rows[0], backward=True)
    if found.behind:
        yield "next", at(found.rows[-1], backward=False)
    yield "last", at(None, backward=True)


def unseal(query: Query, base: str, signer: Signer) -> Cursor | None:
    """Where the page of `query` begins; None for the first. Raises Invalid for a cursor of another search."""
    if query.cursor is None:
        return None
    cursor = signer.unseal(query.cursor, _bound(query, base))
    if query.count == 0 or (cursor.place is not None and len(cursor.place.keys) != len(query.order.keys)):
        raise foreign()
    return cursor


def _bound(query: Query, base: str) -> str:
    """The search that a cursor belongs to."""
    return f"{base}/{query.path}?{urlencode(query.params)}"
