"""A code system of 350,000 concepts of which four in ten have several parents: loading it, and what asking it takes."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import Statement, one, open_async_pool, open_pool, transaction
from healix_fhir.model.json import encode
from healix_fhir.operation.invocation import Invocation
from healix_fhir.terminology.content import Contents, Designation, Entry, Heading, Property
from healix_fhir.terminology.loading.load import analyze, load
from tests.support.code_systems import call, parameters, value
from tests.support.fhir_server import BASE, SYSTEM, Pool
from tests.support.operation import run

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

Json = dict[str, Any]
URL = "http://example.org/large"
SIZE = 350_000
CALLS = 120
JUDGED = 0.001
"""Seconds that $validate-code may take."""
PAGED = 0.020
"""Seconds that a page may take."""


def polyhierarchy(size: int) -> Contents:
    """Concepts in a dozen levels; a second parent is mostly near the first, a third of them is anywhere."""
    chance = random.Random(7)
    beginnings = ("cardi", "neur", "derm", "gastr", "oste", "hepat", "nephr", "pulm", "ot", "ren")
    vocabulary = [f"{a}{b}{c}" for a in beginnings for b in ("o", "i", "a", "ali", "ati") for c in range(400)]
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


IS_A = {"property": "concept", "op": "is-a"}


@pytest.mark.parametrize("text", ["", "cardio1", "ren", "neuri39 hepat", "gastro111 dermali17", "none"])
@pytest.mark.parametrize("active", [False, True])
def test_pages_of_expansions(loaded: str, text: str, active: bool) -> None:
    """A page of what is below a concept is made within its time: anywhere in it, by text, of what is active only."""

    async def ask(server: Interactions, n: int) -> None:
        include = {"system": URL, "filter": [{**IS_A, "value": f"c{n % 40}"}]}
        narrowed = {"filter": {"valueString": text}} if text else {}
        active_only = {"activeOnly": {"valueBoolean": True}} if active else {}
        await _expand(server, include, n % 5, {**narrowed, **active_only})

    assert _measured(loaded, f"$expand below a concept, '{text}'{', active' * active}", ask) <= PAGED


@pytest.mark.parametrize("text", ["cardio1", "ren", "none"])
def test_pages_of_the_whole(loaded: str, text: str) -> None:
    """A page of what a text finds in the whole code system is made within its time."""

    async def ask(server: Interactions, n: int) -> None:
        await _expand(server, {"system": URL}, n % 5, {"filter": {"valueString": text}})

    assert _measured(loaded, f"$expand of all, '{text}'", ask) <= PAGED


async def _expand(server: Interactions, include: Json, page: int, narrowed: Json) -> None:
    sets = {"resourceType": "ValueSet", "status": "active", "compose": {"include": [include]}}
    place = {"count": {"valueInteger": 20}, "offset": {"valueInteger": 20 * page}}
    asked = Invocation(body=encode(parameters({"valueSet": sets, **place, **narrowed})), type="ValueSet")
    assert await run("expand", server, SYSTEM, asked)
