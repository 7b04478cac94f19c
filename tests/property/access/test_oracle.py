"""No path to rows shows more or less than the rules: random worlds, tokens and searches against a naive reading."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from healix_fhir.kernel.database import open_pool, transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.store.read import read
from smart_auth.access import AccessContext
from tests.property.access.hiding import MEMBERSHIPS
from tests.property.access.questions import Question, make_question
from tests.property.access.sight import Sight, name
from tests.property.access.tokens import make_token
from tests.property.access.world import PATIENTS, Json, Token, World, make_world, references, spans
from tests.support.examples import examples
from tests.support.search import Clinic

SEEDS = st.integers(0, 2**32)
QUESTIONS = 20
EMPTY = "TRUNCATE resource, resource_history, compartment, care_relationship, index_token, index_string, index_date,"
TABLES = f"{EMPTY} index_reference, index_label, consent_rule, narrowing, several_compartments, outbox"
CARE = """INSERT INTO care_relationship (practitioner, pat, source, ends)
SELECT d, p, 'test', CASE WHEN o THEN now() - interval '1 day' END
FROM unnest(%s::text[], %s::bigint[], %s::bool[]) AS x (d, p, o)"""

BELONGING = """INSERT INTO actor_member (member, actor, source, ends)
SELECT m, a, 'test', CASE WHEN o THEN now() - interval '1 day' END
FROM unnest(%s::text[], %s::text[], %s::bool[]) AS x (m, a, o) ON CONFLICT DO NOTHING"""

GLASS = """INSERT INTO care_relationship (practitioner, pat, source, starts, ends, emergency, lifts)
VALUES (%s, %s, '$break-glass/test', now() - interval '1 hour', now() + interval '1 hour', true, %s)"""


@pytest.fixture(scope="module")
def clinic(module_database: str) -> Iterator[Clinic]:
    """One store, emptied for each world."""
    with open_pool(module_database, size=1) as opened:
        yield Clinic(opened)


def settle(clinic: Clinic, world: World) -> None:
    """Make the store hold just this world."""
    clinic.run(TABLES)
    clinic.put(*world.resources)
    keys = clinic.keys(*PATIENTS)
    care = sorted(world.care)
    for d, p, lifts in world.glass:
        clinic.run(GLASS, (d, keys[p], lifts))
    clinic.run(BELONGING, tuple(map(list, zip(*MEMBERSHIPS, strict=True))))
    clinic.run(CARE, ([d for d, _, _ in care], [keys[p] for _, p, _ in care], [over for *_, over in care]))


def token_access(clinic: Clinic, token: Token) -> AccessContext:
    """What a token gives."""
    access = clinic.access(
        token.text, patient=token.patient, practitioner=token.practitioner, own=token.own, proxies=token.proxies
    )
    return replace(clinic.looked(access), wide=token.wide)


def included(world: World, token: Token, question: Question, page: list[Json]) -> set[str]:
    """What a page of matches brings with it."""
    known = {name(resource): resource for resource in world.resources}
    wanted: set[str] = set()
    for include in question.includes:
        if include.reverse:
            of_type = (one for one in world.resources if one["resourceType"] == include.type_name)
            matched = {name(resource) for resource in page}
            wanted |= {name(one) for one in of_type if matched & set(references(one, include.path))}
        else:
            found = {ref for resource in page for ref in references(resource, include.path) if ref in known}
            wanted |= {ref for ref in found if not include.target or ref.startswith(f"{include.target}/")}
    seen = {ref for ref in wanted if any(world.sees(token, known[ref], permission) for permission in "rs")}
    return seen - {name(resource) for resource in page}


def value(resource: Json, code: str, *, last: bool) -> str | float | None:
    """What a resource is sorted by; None where it has nothing."""
    if code == "date":
        first = (spans(resource) or (float("-inf"),))[0]
        return None if first == float("-inf") else first
    if code == "code":
        values = [coding["code"] for coding in resource["code"]["coding"]]
    elif code == "_id":
        values = [resource["id"]]
    else:
        values = [ref.partition("/")[2] for ref in references(resource, code)]
    return (max if last else min)(values, default=None)


def follows(sort: str, one: Json, other: Json) -> bool:
    """Whether `other` may come after `one`; what is missing comes last in either direction."""
    for key in sort.split(","):
        code, down = key.removeprefix("-"), key.startswith("-")
        mine, theirs = value(one, code, last=down), value(other, code, last=down)
        if mine != theirs:
            if mine is None or theirs is None:
                return theirs is None
            return (mine < theirs) is not down  # type: ignore[operator]
    return True


def in_order(question: Question, matches: list[Json]) -> bool:
    """Whether matches come in the order asked for; those without a first day come last."""
    if "_lastUpdated" in question.sort or (not question.sort and question.types != ("Observation",)):
        return True
    pairs = pairwise(matches)
    return all(follows(question.sort or "-date", one, other) for one, other in pairs)


def check_search(clinic: Clinic, access: AccessContext, world: World, token: Token, question: Question) -> None:
    """All pages of a search against the naive filter."""
    known = {name(resource): resource for resource in world.resources}
    expected = question.matches(Sight(world, token))
    matches: list[Json] = []
    for page in clinic.pages(question.address, access):
        names = [f"{hit.type}/{hit.id}" for hit in page.entries if hit.mode == "match"]
        here = [known[one] for one in names]
        matches += here
        others = [f"{hit.type}/{hit.id}" for hit in page.entries if hit.mode == "include"]
        assert sorted(others) == sorted(included(world, token, question, here))
        assert page.total == len(expected)
        assert len(here) == question.count or page.next is None
    assert sorted(map(name, matches)) == sorted(map(name, expected))
    assert in_order(question, matches)


@settings(max_examples=examples(25), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_a_search_shows_exactly_what_matches_and_is_visible(clinic: Clinic, seed: int) -> None:
    """Matches, includes, totals, order and all pages are those of the naive filter, for whatever token."""
    rng = Random(seed)
    world = make_world(rng)
    settle(clinic, world)
    for _ in range(QUESTIONS):
        token, question = make_token(rng), make_question(rng)
        access = token_access(clinic, token)
        if any(token.opens(type_name, "s") for type_name in question.types):
            check_search(clinic, access, world, token, question)
        else:
            with pytest.raises(HealixError) as refusal:
                clinic.page(question.address, access)
            assert refusal.value.category is Category.FORBIDDEN


@settings(max_examples=examples(12), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_a_read_shows_exactly_what_is_visible(clinic: Clinic, seed: int) -> None:
    """A read by id obeys the same predicate; what is not visible is answered like what does not exist."""
    rng = Random(seed)
    world, token = make_world(rng), make_token(rng)
    settle(clinic, world)
    access = token_access(clinic, token)
    for resource in world.resources:
        check_read(clinic, access, world, token, resource)


def check_read(clinic: Clinic, access: AccessContext, world: World, token: Token, resource: Json) -> None:
    """One read by id against the rules."""
    type_, id_ = resource["resourceType"], resource["id"]
    if world.sees(token, resource, "r"):
        assert transaction(clinic.pool, lambda: read(access, type_, id_)).id == id_
        return
    with pytest.raises(HealixError) as refusal:
        transaction(clinic.pool, lambda: read(access, type_, id_))
    assert refusal.value.category is (Category.NOT_FOUND if token.opens(type_, "r") else Category.FORBIDDEN)
