"""A code system of 350,000 concepts of which four in ten have several parents: loading it, and what asking it takes."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable

import pytest
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import Statement, one, open_async_pool, open_pool, transaction
from healix_fhir.terminology import catalog, concepts
from healix_fhir.terminology.content import Contents, Designation, Entry, Heading, Property
from healix_fhir.terminology.loading.load import analyze, load
from tests.support.code_systems import call, value
from tests.support.fhir_server import BASE, SYSTEM, Pool

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

URL = "http://example.org/large"
SIZE = 350_000
CALLS = 300
PAGE = 20
JUDGED = 0.001
"""Seconds that $validate-code may take."""
PAGED = 0.020
"""Seconds that a page may take."""


def polyhierarchy(size: int) -> Contents:
    """Concepts in a dozen levels; a second parent is mostly near the first, a third of them is anywhere."""
    chance = random.Random(7)
    vocabulary = [f"{a}{b}{c}" for a in ("cardi", "neur", "derm", "gastr", "oste", "hepat", "nephr", "pulm", "ot", "ren")
                  for b in ("o", "i", "a", "ali", "ati") for c in range(400)]  # fmt: skip
    weights = [1 / rank for rank in range(1, len(vocabulary) + 1)]
    words = chance.choices(vocabulary, weights, k=size * 5)
    entries = []
    for n in range(size):
        parents = _parents(chance, n)
        name = " ".join(words[n * 5 : n * 5 + chance.randint(2, 5)])
        entries.append(
            Entry(
                f"c{n}",
                name,
                parents=tuple(f"c{parent}" for parent in parents),
                designations=(Designation(f"{name} (thing)", "en", "urn:use", "full"),),
                properties=(Property("kind", "code", f"c{n % 50}"), Property("rank", "integer", str(n % 1000))),
                inactive=n % 20 == 19,
            )
        )
    about = {"resourceType": "CodeSystem", "url": URL, "status": "active", "content": "complete", "version": "1"}
    return Contents(Heading(URL, "1", "complete", True, about), entries)


def _parents(chance: random.Random, n: int) -> list[int]:
    if n == 0:
        return []
    first = chance.randrange(max(0, n // 8 - 3), max(1, n // 5 + 1)) if n > 20 else 0
    found = [first]
    if n > 20 and chance.random() < 0.4:
        near = min(n - 1, max(0, first + chance.randrange(-30, 31)))
        other = near if chance.random() < 0.67 else chance.randrange(n)
        found += [other] if other != first else []
    return found


@pytest.fixture(scope="module")
def loaded(durable_url: str) -> str:
    """A database with the code system."""
    contents = polyhierarchy(SIZE)
    with open_pool(durable_url, size=2) as pool:
        begun = time.perf_counter()
        assert load(pool, contents, "x", lambda _size: None) == "loaded"
        written = time.perf_counter()
        analyze(pool)
        ranges = _value(pool, "SELECT sum((SELECT count(*) FROM unnest(below))) FROM concept")
        pairs = _value(pool, "SELECT sum((SELECT sum(upper(r) - lower(r)) FROM unnest(below) AS r)) FROM concept")
        size = _value(pool, "SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(ARRAY['concept', "
                      "'concept_parent', 'concept_designation', 'concept_property']) AS t")  # fmt: skip
        print(f"\nloaded in {written - begun:.1f} s, analyzed in {time.perf_counter() - written:.1f} s")
        print(f"{ranges} ranges for {pairs} pairs of ancestor and descendant; {size / 1e6:.0f} MB")
    return durable_url


def _value(pool: Pool, sql: str) -> float:
    return float(transaction(pool, lambda: one(Statement(sql)))[0][0])


def _told(name: str, seconds: list[float]) -> float:
    median = statistics.median(seconds)
    print(f"{name}: p50 {median * 1000:.2f} ms, p95 {sorted(seconds)[int(len(seconds) * 0.95)] * 1000:.2f} ms")
    return median


def _measured(url: str, name: str, ask: Callable[[Interactions, int], Awaitable[None]]) -> float:
    async def main() -> list[float]:
        pool = await open_async_pool(url, size=2)
        try:
            server = Interactions(pool, (BASE,))
            seconds = []
            for n in range(CALLS):
                begun = time.perf_counter()
                await ask(server, n)
                seconds.append(time.perf_counter() - begun)
            return seconds[20:]
        finally:
            await pool.close()

    return _told(name, asyncio.run(main()))


def test_validate_code(loaded: str) -> None:
    """A code is judged within a millisecond."""

    async def ask(server: Interactions, n: int) -> None:
        answer = await call(server, "validate-code", f"url={URL}&code=c{n * 997 % SIZE}")
        assert value(answer, "result")

    assert _measured(loaded, "$validate-code", ask) <= JUDGED


def test_lookup(loaded: str) -> None:
    """A code is told whole within a page's time."""

    async def ask(server: Interactions, n: int) -> None:
        assert await call(server, "lookup", f"system={URL}&code=c{n * 997 % SIZE}")

    assert _measured(loaded, "$lookup", ask) <= PAGED


def test_subsumes(loaded: str) -> None:
    """Two codes are compared within a page's time, however high they stand."""

    async def ask(server: Interactions, n: int) -> None:
        assert await call(server, "subsumes", f"system={URL}&codeA=c{n % 60}&codeB=c{n * 997 % SIZE}")

    assert _measured(loaded, "$subsumes", ask) <= PAGED


@pytest.mark.parametrize(
    "condition", ["", "AND c.words @@ 'cardio1:*'", "AND c.words @@ 'ren:*'", "AND NOT c.inactive"]
)
def test_pages_below_a_concept(loaded: str, condition: str) -> None:
    """A page of what is below a concept is read within the time of a page, anywhere in it."""
    sql = f"""SELECT {concepts.COLUMNS} FROM concept x, unnest(x.below) WITH ORDINALITY AS r (span, k)
              CROSS JOIN LATERAL (SELECT c.* FROM concept c WHERE c.system = x.system AND c.n >= lower(r.span)
                AND c.n < upper(r.span) {condition} ORDER BY c.n LIMIT {PAGE}) c
              WHERE x.system = %s AND x.key = %s ORDER BY r.k, c.n LIMIT {PAGE}"""
    with open_pool(loaded, size=1) as pool:
        _pages(pool, sql, condition)


def _pages(pool: ConnectionPool, sql: str, condition: str) -> None:  # type: ignore[type-arg]
    system = transaction(pool, lambda: catalog.find(SYSTEM, URL))
    seconds = []
    for n in range(CALLS // 3):
        begun = time.perf_counter()
        transaction(pool, lambda n=n: one(Statement(sql, (system.id, f"c{n % 60}"))))  # type: ignore[misc]
        seconds.append(time.perf_counter() - begun)
    assert _told(f"a page below a concept {condition}", seconds[5:]) <= PAGED


@pytest.mark.parametrize("text", ["cardio1", "ren", "neuri39 hepat", "gastro111 dermali17", "none"])
def test_pages_by_a_text(loaded: str, text: str) -> None:
    """A page of what a text finds in the whole code system is read within the time of a page."""
    sql = f"""SELECT {concepts.COLUMNS} FROM concept c WHERE c.system = %s AND c.words @@ %s::tsquery
              ORDER BY c.n LIMIT {PAGE}"""
    with open_pool(loaded, size=1) as pool:
        system = transaction(pool, lambda: catalog.find(SYSTEM, URL))
        seconds = []
        for _ in range(CALLS // 3):
            begun = time.perf_counter()
            query = concepts.text_query(text)
            transaction(pool, lambda: one(Statement(sql, (system.id, query), prepare=False)))
            seconds.append(time.perf_counter() - begun)
        assert _told(f"a page by the text {text}", seconds[5:]) <= PAGED
