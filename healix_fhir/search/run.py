"""Running a search: at most two statements, one for the matches with their total, one for what they include."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlencode

from healix_fhir.kernel.database import Row, Work
from healix_fhir.kernel.errors import Issue
from healix_fhir.model.definitions import TYPE_ID, TYPE_NAME
from healix_fhir.search.include import LIMIT, include_statement
from healix_fhir.search.index_facts import main_date
from healix_fhir.search.nodes import Visible
from healix_fhir.search.order import Key
from healix_fhir.search.page import Cursor, KeyValue, Signer, cursor, foreign
from healix_fhir.search.plan import plan
from healix_fhir.search.query import Query
from healix_fhir.search.result import Hit, SearchResult
from healix_fhir.search.statement import Reading, page_statement
from smart_auth.access import AccessContext
from smart_auth.scope import Permission

SEARCHED = (Permission.SEARCH,)
LEFT_OUT = Issue(
    "too-costly",
    f"the page includes more than {LIMIT} resources; the others were left out. Ask for a smaller _count",
    severity="warning",
)


def search(access: AccessContext, query: Query, *, base: str, signer: Signer) -> Work[SearchResult]:
    """The page of `query` that `access` may see, with links that hold on the server at `base` only.

    Raises Forbidden when no scope opens a search of the type, Invalid for a cursor of another search.
    """
    access.require(query.type_name, Permission.SEARCH)
    after = _unseal(query, base, signer)
    rows = yield page_statement(_reading(access, query, after))
    total, ceiling = rows[0][:2]
    found = [row[2:] for row in rows if row[3] is not None]
    page = found[: query.count]
    more = len(found) > query.count > 0
    if total is None and not more and after is None:
        total = len(page)
    entries = [
        Hit(query.type_name, id_, version, updated, body, "match") for _, _, id_, version, updated, body, _ in page
    ]
    issues = query.ignored
    if query.includes and page:
        included, whole = yield from _include(access, query, [row[1] for row in page])
        entries += included
        issues += () if whole else (LEFT_OUT,)
    following = None
    if more:
        last: tuple[KeyValue, int] = page[-1][:2]
        following = cursor(ceiling if after is None else after.ceiling, last[1], last[0])
    link = urlencode(query.params)
    if following is None:
        return SearchResult(entries, total, None, link, issues)
    sealed = urlencode([*query.params, ("_cursor", signer.seal(following, _bound(query, base)))])
    return SearchResult(entries, total, sealed, link, issues)


def _reading(access: AccessContext, query: Query, after: Cursor | None) -> Reading:
    return Reading(
        plan=plan(TYPE_ID[query.type_name], query.where, Visible(query.type_name, SEARCHED), access),
        order=query.order,
        access=access,
        dated=main_date(query.type_name) is not None,
        limit=query.count + 1 if query.count else 0,
        total=query.total,
        after=after,
    )


def _include(access: AccessContext, query: Query, page: list[int]) -> Work[tuple[list[Hit], bool]]:
    statement = include_statement(access, query.includes, page)
    if statement is None:
        return [], True
    rows = yield statement
    return _hits(rows[:LIMIT]), len(rows) <= LIMIT


def _hits(rows: Iterable[Row]) -> list[Hit]:
    return [
        Hit(TYPE_NAME[type_id], id_, version, updated, body, "include") for type_id, id_, version, updated, body in rows
    ]


def _unseal(query: Query, base: str, signer: Signer) -> Cursor | None:
    if query.cursor is None:
        return None
    after = signer.unseal(query.cursor, _bound(query, base))
    text = query.order.key is Key.ID
    if query.count == 0 or (text != isinstance(after.key, str)):
        raise foreign()
    return after


def _bound(query: Query, base: str) -> str:
    """The search that a cursor belongs to."""
    return f"{base}/{query.type_name}?{urlencode(query.params)}"
