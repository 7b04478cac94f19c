"""Histories and conditions show no more and no less than the rules: random worlds that change, and random tokens."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from healix_fhir.kernel.database import open_pool, transaction
from healix_fhir.model.definitions import TYPES
from healix_fhir.search.match import Condition, match
from healix_fhir.store import history
from healix_fhir.store.history import Past, versions
from smart_auth.access import AccessContext
from smart_auth.scope import Permission
from tests.property.access.questions import make_question
from tests.property.access.sight import Sight, name
from tests.property.access.test_oracle import settle, token_access
from tests.property.access.tokens import make_token
from tests.property.access.world import (
    SHARED,
    Json,
    Token,
    World,
    compartments,
    make_world,
)
from tests.support.examples import examples
from tests.support.search import BASE, Clinic

SEEDS = st.integers(0, 2**32)
TURNS = 10
Seen = set[tuple[str, int]]


@pytest.fixture(scope="module")
def clinic(module_database: str) -> Iterator[Clinic]:
    """One store, emptied for each world."""
    with open_pool(module_database, size=1) as opened:
        yield Clinic(opened)


def changed(rng: Random, world: World) -> tuple[World, dict[str, Json]]:
    """The world after some of its resources have become others, and what those were before, by name."""
    others = {name(resource): resource for resource in make_world(rng).resources}
    now: list[Json] = []
    before: dict[str, Json] = {}
    for resource in world.resources:
        other = others.get(name(resource), resource)
        if other != resource and rng.random() < 0.8:
            before[name(resource)] = resource
            now.append(other)
        else:
            now.append(resource)
    return World(tuple(now), world.care, world.glass), before


def walked(clinic: Clinic, access: AccessContext, past: Past, limit: int, *, counted: bool) -> list[tuple[str, int]]:
    """All versions of a history, page by page; their number is told, at least if `counted`."""
    seen: list[tuple[str, int]] = []
    after = None
    while True:
        asked = Past(past.types, past.permission, past.id, after=after)
        found = transaction(clinic.pool, lambda asked=asked: versions(access, asked, limit))  # type: ignore[misc]
        seen += [(f"{one.stored.type}/{one.stored.id}", one.stored.version) for one in found.page]
        if len(found.page) < limit:
            assert found.total == len(seen) or (found.total is None and not counted)
            return seen
        after = found.places[-1]


@pytest.mark.parametrize("listed", [1000, 2])
@settings(max_examples=examples(20), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_a_history_shows_the_past_of_what_is_visible_as_far_as_it_was(clinic: Clinic, listed: int, seed: int) -> None:
    """Current versions are shown as a search shows them, earlier ones only to who was in reach of them as well.

    An earlier version that lay in one compartment is shown to whom that is open; of one in several the first decides.
    Whether what is in sight is `listed` or picked out in order makes no difference but to the total.
    """
    rng = Random(seed)
    world, before = changed(rng, first := make_world(rng))
    settle(clinic, first)
    clinic.put(*(resource for resource in world.resources if name(resource) in before))
    for _ in range(TURNS):
        token = make_token(rng)
        access = token_access(clinic, token)
        types = rng.choice((TYPES, ("Observation",), ("Communication",)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(history, "LISTED", listed)
            counted = listed > 2 and not any(bound for *_, bound in token.scopes)
            shown = walked(clinic, access, Past(types, Permission.SEARCH), rng.choice((1, 3, 50)), counted=counted)
        assert len(shown) == len(set(shown))
        must, may = _expected(world, before, token, types)
        assert must <= set(shown) <= may


def _expected(world: World, before: dict[str, Json], token: Token, types: tuple[str, ...]) -> tuple[Seen, Seen]:
    """The versions that must be shown, and those that may be."""
    must: Seen = set()
    may: Seen = set()
    for resource in world.resources:
        key = name(resource)
        if resource["resourceType"] not in types or not world.sees(token, resource, "s"):
            continue
        must.add((key, 2 if key in before else 1))
        earlier = before.get(key)
        if earlier is None:
            continue
        then = {part: value for part, value in earlier.items() if part != "meta"}
        then |= {"meta": resource["meta"]} if "meta" in resource else {}  # the labels of now count
        if world.sees(token, then, "s", hiding=False):
            may.add((key, 1))
            one = len(compartments(earlier)) <= 1 or resource["resourceType"] in SHARED
            if one and world.sees(token, then, "s"):
                must.add((key, 1))
            elif one:
                may.remove((key, 1))
    return must, must | may


@settings(max_examples=examples(20), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_a_condition_matches_what_a_search_would_show(clinic: Clinic, seed: int) -> None:
    """None, one or two of exactly those that match and are visible, whatever the token."""
    rng = Random(seed)
    world = make_world(rng)
    settle(clinic, world)
    for _ in range(TURNS):
        token, question = make_token(rng), make_question(rng)
        params = tuple((criterion.name, criterion.value) for criterion in question.criteria if criterion.name)
        if len(question.types) != 1 or question.path != question.types[0] or not params:
            continue
        if not token.opens(question.path, "s"):
            continue
        access = token_access(clinic, token)
        condition = Condition(question.path, params)
        found = transaction(clinic.pool, lambda access=access, condition=condition: match(access, condition, base=BASE))  # type: ignore[misc]
        expected = {resource["id"] for resource in question.matches(Sight(world, token))}
        ids = {one.id for one in found}
        assert len(found) == len(ids) == min(2, len(expected))
        assert ids <= expected
