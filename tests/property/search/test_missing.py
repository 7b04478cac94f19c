"""Searches by `:missing` against a naive reading: is there an element at one of the parameter's paths."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.amounts import quantity
from tests.property.search.codes import concept
from tests.property.search.missing import ELEMENTS, missing_question
from tests.property.search.question import Json
from tests.property.search.store import Store
from tests.property.search.world import World
from tests.support.examples import examples


def _others(random: Random) -> list[Json]:
    """What the world has not: measured values, chances, definitions."""
    measured: Json = {"resourceType": "Observation", "status": "final"}
    parts: list[Json] = [{"code": concept(random), "valueQuantity": quantity(random)}, {"code": concept(random)}]
    return [
        measured | {"id": "q1", "code": concept(random), "valueQuantity": quantity(random)},
        measured | {"id": "q2", "code": {"text": "c"}, "component": random.sample(parts, random.randint(1, 2))},
        {"resourceType": "RiskAssessment", "id": "r1", "prediction": [{"probabilityDecimal": Decimal("0.1")}]},
        {"resourceType": "RiskAssessment", "id": "r2", "prediction": [{"qualitativeRisk": {"text": "low"}}]},
        {"resourceType": "ValueSet", "id": "v1", "url": "http://v.test", "name": "V"},
        {"resourceType": "ValueSet", "id": "v2", "version": "1"},
        {"resourceType": "Patient", "id": "x", "meta": {"profile": ["http://p.test"]}},
    ]


@pytest.mark.spec("FHIR R4 search.html#modifiers")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_what_is_missing_is_found_for_every_type_of_parameter(store: Store, seed: int) -> None:
    """An element at one of its paths, however little that says, is a value; nothing else is."""
    random = Random(seed)
    store.settle(World(random).resources + _others(random))
    for _ in range(50):
        store.check(missing_question(random, random.choice(list(ELEMENTS))))
