"""Scopes with a query where the index is of no help: deletions, writers that wait, accesses without conditions."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from healix_fhir.kernel.database import Work, run
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.granular import ScopeQueries
from healix_fhir.store.commit import commit
from healix_fhir.store.history import Past, versions
from healix_fhir.store.read import read, vread
from healix_fhir.store.stored import Change, Method, Stored
from smart_auth.access import AccessContext, restored
from smart_auth.queries import CLOSED
from smart_auth.scope import Permission, parse
from tests.support.fhir_server import BASE, SYSTEM, Pool, change, do, put, rows
from tests.support.resources import observation

CODE = "http://loinc.org|8867-4"
OTHER = {"coding": [{"system": "http://loinc.org", "code": "other"}]}


def app(query: str, letters: str = "cruds") -> AccessContext:
    """A service that has a scope with a query."""
    return AccessContext(parse(f"system/Observation.{letters}?{query}"), conditions=ScopeQueries((BASE,)))


def refused(pool: Pool, access: AccessContext, id_: str, version: int | None = None) -> Category:
    """How a read, or one of a version, is refused."""

    def work() -> Work[Stored]:
        if version is None:
            return read(access, "Observation", id_)
        return vread(access, "Observation", id_, version)

    with pytest.raises(HealixError) as refusal:
        do(pool, work)
    return refusal.value.category


@pytest.mark.parametrize("query", [f"code={CODE}", "code:not=other", "specimen:missing=true", "status=final"])
def test_of_what_is_deleted_no_query_holds(pool: Pool, query: str) -> None:
    """That something was deleted is not told to who saw it by a query: nothing is left that it could hold of."""
    access = app(query)
    put(pool, observation(), "o")
    assert do(pool, lambda: read(access, "Observation", "o")).version == 1
    do(pool, lambda: commit(access, [Change(Method.DELETE, "Observation", "o")]))
    assert refused(pool, access, "o") is Category.NOT_FOUND
    put(pool, observation(), "o")
    assert do(pool, lambda: read(access, "Observation", "o")).version == 3
    assert refused(pool, access, "o", 2) is Category.NOT_FOUND
    assert do(pool, lambda: vread(access, "Observation", "o", 1)).version == 1
    found = do(pool, lambda: versions(access, Past(("Observation",), Permission.SEARCH), 10))
    assert [one.stored.version for one in found.page] == [3, 1]


@pytest.mark.parametrize("method", [Method.PUT, Method.DELETE])
def test_a_writer_who_waited_is_judged_by_what_it_finds(pool: Pool, method: Method) -> None:
    """What left the scope while its lock was waited for is not overwritten."""
    put(pool, observation(), "o")
    access = app(f"code={CODE}")
    amended = change(Method.PUT, observation(status="amended"), "o")
    asked = amended if method is Method.PUT else Change(method, "Observation", "o")
    with ThreadPoolExecutor(1) as other, pool.connection() as connection:
        with connection.transaction():
            run(connection, commit(SYSTEM, [change(Method.PUT, observation(code=OTHER), "o")]))
            waiting = other.submit(do, pool, lambda: commit(access, [asked]))
            wait_for_lock(pool)
        if method is Method.PUT:
            with pytest.raises(HealixError) as refusal:
                waiting.result(60)
            assert refusal.value.category is Category.FORBIDDEN
        else:
            waiting.result(60)
    assert rows(pool, "SELECT version, deleted FROM resource WHERE id = 'o'") == [(2, False)]


def wait_for_lock(pool: Pool) -> None:
    """Wait until somebody waits for a row."""
    deadline = time.monotonic() + 60
    while not rows(pool, "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
        assert time.monotonic() < deadline, "nobody waited"
        time.sleep(0.01)


def test_no_conditions_no_access(pool: Pool) -> None:
    """An access that was made without what reads queries sees nothing by them, and writes nothing."""
    put(pool, observation(), "o")
    captured = app(f"code={CODE}").captured()
    closed = do(pool, lambda: restored(captured, CLOSED))
    assert refused(pool, closed, "o") is Category.NOT_FOUND
    with pytest.raises(HealixError):
        do(pool, lambda: commit(closed, [change(Method.POST, observation(), "new")]))
    opened = do(pool, lambda: restored(captured, ScopeQueries((BASE,))))
    assert do(pool, lambda: read(opened, "Observation", "o")).id == "o"
    do(pool, lambda: commit(opened, [change(Method.POST, observation(), "new")]))


def test_a_page_of_versions_is_full(pool: Pool) -> None:
    """Versions out of scope do not shorten a page of a history, nor end it."""
    access = app(f"code={CODE}")
    for n in range(12):
        put(pool, observation(code=OTHER, issued=f"2024-05-06T07:08:{n:02}Z"), "o")
    for n in range(3):
        put(pool, observation(issued=f"2024-05-06T07:09:{n:02}Z"), "o")
    past = Past(("Observation",), Permission.READ, "o")
    assert [one.stored.version for one in do(pool, lambda: versions(access, past, 2)).page] == [15, 14]
    put(pool, observation(code=OTHER), "o")
    put(pool, observation(), "o")
    found = do(pool, lambda: versions(access, past, 4))
    assert [one.stored.version for one in found.page] == [17, 15, 14, 13]
    assert found.total is None
    assert do(pool, lambda: versions(access, past, 0)).page == []
