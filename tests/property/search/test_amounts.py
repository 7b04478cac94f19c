"""Number and quantity searches against a naive reading of the rules, on random resources."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.amounts import NUMBERS, number_question, quantity, quantity_question
from tests.property.search.question import Json
from tests.property.search.store import Store
from tests.support.examples import examples

SEEDS = st.integers(0, 2**32)
QUESTIONS = 40


def _observation(random: Random, n: int) -> Json:
    resource: Json = {"resourceType": "Observation", "id": f"o{n}", "status": "final", "code": {"text": "mass"}}
    if random.random() < 0.8:
        resource["valueQuantity"] = quantity(random)
    if random.random() < 0.5:
        resource["component"] = [
            {"code": {"text": "part"}, "valueQuantity": quantity(random)} for _ in range(random.randint(1, 2))
        ]
    return resource


def _assessment(random: Random, n: int) -> Json:
    chances = [{"probabilityDecimal": Decimal(random.choice(NUMBERS))} for _ in range(random.randint(0, 3))]
    return {
        "resourceType": "RiskAssessment",
        "id": f"r{n}",
        "status": "final",
        "subject": {"reference": "Patient/p"},
        **({"prediction": chances} if chances else {}),
    }


def _values(resource: Json) -> Iterator[Json]:
    yield from [resource["valueQuantity"]] if "valueQuantity" in resource else []


def _component_values(resource: Json) -> Iterator[Json]:
    yield from (component["valueQuantity"] for component in resource.get("component", ()))


def _all_values(resource: Json) -> Iterator[Json]:
    yield from _values(resource)
    yield from _component_values(resource)


def _chances(resource: Json) -> Iterator[Fraction]:
    yield from (Fraction(prediction["probabilityDecimal"]) for prediction in resource.get("prediction", ()))


@pytest.mark.spec("FHIR R4 search.html#quantity", "FHIR R4 search.html#number", "FHIR R4 search.html#prefix")
@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SEEDS)
def test_numbers_and_quantities_are_found_as_the_rules_say(store: Store, seed: int) -> None:
    """All prefixes, implicit precision, comparators, units of one kind, other systems, and texts of units."""
    random = Random(seed)
    resources = [_observation(random, n) for n in range(12)] + [_assessment(random, n) for n in range(6)]
    store.settle(resources)
    for _ in range(QUESTIONS):
        name, values = random.choice(
            [
                ("value-quantity", _values),
                ("component-value-quantity", _component_values),
                ("combo-value-quantity", _all_values),
            ]
        )
        store.check(quantity_question(random, "Observation", name, values))
        store.check(number_question(random, "RiskAssessment", "probability", _chances))
