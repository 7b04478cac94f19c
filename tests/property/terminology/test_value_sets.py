"""Value sets against a naive reading of their compositions: expansions, single codes, and searches by them."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healix_fhir.kernel.database import Work, open_pool, transaction
from healix_fhir.terminology.conditions import Systems
from healix_fhir.terminology.members import Names, Narrowed, arms, count, page
from healix_fhir.terminology.membership import judge, systems_of
from healix_fhir.terminology.resolve import look_up, resolved
from healix_fhir.terminology.sets import Set
from tests.property.terminology.vocabulary import CODES, Code, World, make_world
from tests.support.examples import examples
from tests.support.search import EVERYONE, Clinic

WORLDS = iter(range(10**6))


@pytest.fixture(scope="module")
def clinic(module_database_url: str) -> Iterator[Clinic]:
    """A store for all examples, each of which has urls of its own."""
    with open_pool(module_database_url, size=1) as opened:
        yield Clinic(opened)


ALL = 1_000_000
"""More members than there are."""


def settled(clinic: Clinic, random: Random) -> World:
    """A world with an Observation for each code, stored."""
    world = make_world(random, f"http://{next(WORLDS)}.test")
    clinic.put(*(system.resource(f"s{n}") for n, system in enumerate(world.systems.values())), *world.sets.values())
    clinic.put(*(observation(n, [code]) for n, code in enumerate(every(world))))
    return world


def every(world: World) -> list[Code]:
    """Every code that there may be."""
    return [(system, code) for system in world.systems for code in CODES]


def observation(n: int, codes: list[Code]) -> dict[str, object]:
    """An Observation with codes, of a type that is indexed hot, and of one that is not."""
    codings = [{"system": system, "code": code} for system, code in codes]
    return {
        "resourceType": "Observation", "id": f"o{n}", "status": "final", "code": {"coding": codings},
        "method": {"coding": codings}, "effectiveDateTime": f"2024-01-{n % 28 + 1:02}",
    }  # fmt: skip


def known(url: str) -> Work[tuple[Set, Systems]]:
    """A value set with what it needs."""
    found = yield from resolved(EVERYONE, (yield from look_up(EVERYONE, {url}))[url])
    return found, (yield from systems_of(EVERYONE, found))


def expanded(url: str, size: int, narrowed: Narrowed) -> Work[tuple[int, list[Code]]]:
    """The total and the members in pages of a size."""
    found, systems = yield from known(url)
    parts = arms(found, systems, narrowed)
    counts = yield from count(parts, ALL)
    listed: list[Code] = []
    for offset in range(0, sum(one.size for one in counts) + 1, size):
        members = yield from page(parts, counts, offset, size, Names(found))
        listed += [(member.group.url, member.code) for member in members]
    return sum(one.size for one in counts), listed


def judged(url: str, codes: list[Code]) -> Work[list[Code]]:
    """Those of the codes that are members."""
    found, systems = yield from known(url)
    members = []
    for system, code in codes:
        if (yield from judge(found, systems, system, None, code)).member is not None:
            members.append((system, code))
    return members


@pytest.mark.spec("FHIR R4 valueset.html#compositions")
@settings(max_examples=examples(20), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_value_sets_have_the_members_that_their_compositions_say(clinic: Clinic, seed: int) -> None:
    """Pages of any size give every member once, single codes are judged alike, and :in and :not-in find by them."""
    random = Random(seed)
    world = settled(clinic, random)
    codes = every(world)
    for url in world.sets:
        wanted = world.members(url)
        total, listed = transaction(clinic.pool, lambda: expanded(url, random.randint(1, 5), Narrowed()))  # noqa: B023
        assert (total, sorted(listed)) == (len(wanted), sorted(wanted))
        assert transaction(clinic.pool, lambda: judged(url, codes)) == [one for one in codes if one in wanted]  # noqa: B023
        ids = {f"o{n}" for n, code in enumerate(codes) if code in wanted}
        for name in ("code", "method", "combo-code"):
            found = clinic.page(f"Observation?{name}:in={url}&_count=100&_total=accurate")
            assert ({hit.id for hit in found.entries}, found.total) == (ids, len(ids))
        without = {hit.id for hit in clinic.page(f"Observation?code:not-in={url}&_count=100").entries}
        assert without == {f"o{n}" for n in range(len(codes))} - ids


@pytest.mark.spec("FHIR R4 valueset-operation-expand.html")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from(["", "a", "the c", "B", "zz"]))
def test_expansions_are_narrowed(clinic: Clinic, seed: int, active: bool, text: str) -> None:
    """By whether concepts are in use, and by words of code and display."""
    world = settled(clinic, Random(seed))
    inactive = {(url, one.code) for url, system in world.systems.items() for one in system.concepts if one.inactive}
    there = {(url, one.code) for url, system in world.systems.items() for one in system.concepts}

    def said(code: Code) -> bool:
        words = [code[1].lower(), *(["the"] if code in there else [])]
        return all(any(word.startswith(sought) for word in words) for sought in text.lower().split())

    for url in world.sets:
        wanted = {code for code in world.members(url) if said(code) and not (active and code in inactive)}
        total, listed = transaction(clinic.pool, lambda: expanded(url, 3, Narrowed(text, active)))  # noqa: B023
        assert (total, sorted(listed)) == (len(wanted), sorted(wanted))


@pytest.mark.spec("FHIR R4 search.html#token")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_codes_are_found_above_and_below(clinic: Clinic, seed: int) -> None:
    """:below finds a concept and what is below it in its code system, :above what is above it."""
    world = settled(clinic, Random(seed))
    codes = every(world)
    for url, system in world.systems.items():
        for one in system.concepts:
            below = {(url, each.code) for each in system.concepts if one.code in system.above(each.code)}
            above = {(url, code) for code in system.above(one.code)}
            for modifier, wanted in (("below", below), ("above", above)):
                found = clinic.page(f"Observation?code:{modifier}={url}|{one.code}&_count=100")
                assert {hit.id for hit in found.entries} == {f"o{n}" for n, code in enumerate(codes) if code in wanted}
