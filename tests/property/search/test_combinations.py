"""Searches of several parameters, chained, reversed, filtered and in compartments, against a naive reading."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.store import Store
from tests.property.search.world import COMPARTMENT, World
from tests.support.examples import examples

TYPES = ("Observation", "Patient", "Encounter")


@pytest.mark.spec("FHIR R4 search.html#combining", "FHIR R4 search.html#chaining", "FHIR R4 search.html#has")
@settings(max_examples=examples(15), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_all_of_several_parameters_hold(store: Store, seed: int) -> None:
    """Of the resource itself, of what it refers to, and of what refers to it, up to three links away."""
    random = Random(seed)
    world = World(random)
    store.settle(world.resources)
    for _ in range(50):
        type_name = random.choice(TYPES)
        store.check(*(world.question(type_name) for _ in range(random.choice([1, 1, 2, 3]))))


@pytest.mark.spec("FHIR R4 search_filter.html")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_a_filter_finds_what_its_parameters_find(store: Store, seed: int) -> None:
    """Each test as the parameter that it names, joined by `and`, `or` and `not`, beside other parameters."""
    random = Random(seed)
    world = World(random)
    store.settle(world.resources)
    for _ in range(50):
        type_name = random.choice(TYPES)
        beside = [world.question(type_name)] if random.random() < 0.3 else []
        store.check(world.filtered(type_name), *beside)


@pytest.mark.spec("FHIR R4 search.html#compartment", "FHIR R4 compartmentdefinition-patient.html")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_a_compartment_holds_what_refers_to_its_patient(store: Store, seed: int) -> None:
    """By one of the parameters that the definition names, and beside any other search."""
    random = Random(seed)
    world = World(random)
    store.settle(world.resources)
    for _ in range(30):
        type_name = random.choice(list(COMPARTMENT))
        path, inside = world.compartment(type_name)
        store.check(inside, *(world.question(type_name) for _ in range(random.randint(0, 2))), path=path)
