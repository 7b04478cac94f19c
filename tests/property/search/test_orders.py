"""Orders by every type of parameter against a sorted list; what is missing comes last, ties as they were made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.moments import Span, written
from tests.property.search.question import Json, at
from tests.property.search.store import Store
from tests.support.examples import examples

NUMBERS = ("0", "1", "5", "5.0", "-5.4", "100", "99.5")
URLS = ("http://a.test/x", "http://a.test/", "urn:oid:1.2", "http://b.test")
CODES = ("a", "b", "B", "c-1")


class Sorted:
    """Random resources of a type, and what they are sorted by."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._covered: dict[str, Span] = {}

    def make(self, type_name: str, id_: str) -> Json:
        """A resource with some of what its type is sorted by."""
        resource: Json = {"resourceType": type_name, "id": id_}
        chosen = {name: make() for name, make in self._elements()[type_name].items() if self._random.random() < 0.7}
        return resource | chosen

    def _elements(self) -> Mapping[str, Mapping[str, Callable[[], Any]]]:
        return {
            "Observation": {
                "effectiveDateTime": self._date,
                "valueQuantity": self._quantity,
                "code": lambda: {"coding": [{"code": code} for code in self._some(CODES)]},
                "component": lambda: [{"valueQuantity": self._quantity()} for _ in range(2)],
                "identifier": lambda: [{"value": code} for code in self._some(CODES)],
            },
            "RiskAssessment": {
                "prediction": lambda: [{"probabilityDecimal": Decimal(number)} for number in self._some(NUMBERS)],
                "status": lambda: self._random.choice(["final", "draft"]),
            },
            "ValueSet": {"url": lambda: self._random.choice(URLS), "date": self._date},
        }

    def _some(self, choices: tuple[str, ...]) -> list[str]:
        return self._random.sample(choices, self._random.randint(1, 2))

    def _quantity(self) -> Json:
        return {"value": Decimal(self._random.choice(NUMBERS)), "unit": self._random.choice(["mg", "pill"])}

    def _date(self) -> str:
        text, self._covered[text] = written(self._random)
        return text

    def values(self, resource: Json, key: str) -> list[Any]:
        """What a resource is sorted by under a key: of a date its first moment, of codes and uris the small letters."""
        path = KEYS[resource["resourceType"]][key]
        found = [value for one in path.split(" ") for value in at(resource, one)]
        if key == "date":
            return [self._covered[value][0] for value in found]
        return [value.lower() if isinstance(value, str) else value for value in found]


KEYS: Mapping[str, Mapping[str, str]] = {
    "Observation": {
        "_id": "id",
        "code": "code.coding.code",
        "combo-value-quantity": "valueQuantity.value component.valueQuantity.value",
        "component-value-quantity": "component.valueQuantity.value",
        "date": "effectiveDateTime",
        "identifier": "identifier.value",
        "value-quantity": "valueQuantity.value",
    },
    "RiskAssessment": {"probability": "prediction.probabilityDecimal", "_id": "id"},
    "ValueSet": {"url": "url", "date": "date", "_id": "id"},
}
"""By type and sort key, the paths to the values."""


@pytest.mark.spec("FHIR R4 search.html#sort")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_every_type_of_parameter_has_an_order(store: Store, seed: int) -> None:
    """Numbers, quantities, dates, tokens, uris and ids, up or down, several at once; of several values the first."""
    random = Random(seed)
    world = Sorted(random)
    resources = {name: [world.make(name, f"{random.randrange(10)}{n}") for n in range(8)] for name in KEYS}
    store.settle([one for of_type in resources.values() for one in of_type])
    for _ in range(20):
        type_name = random.choice(list(KEYS))
        keys = [random.choice(("", "-")) + key for key in random.sample(list(KEYS[type_name]), random.randint(1, 2))]
        expected = list(resources[type_name])
        if keys[0].startswith("-"):
            expected.reverse()
        for key in reversed(keys):
            code, down = key.removeprefix("-"), key.startswith("-")
            there = [one for one in expected if world.values(one, code)]
            first = max if down else min
            there.sort(key=lambda one: first(world.values(one, code)), reverse=down)
            expected = there + [one for one in expected if not world.values(one, code)]
        address = f"{type_name}?_sort={','.join(keys)}&_count={random.choice([1, 3, 50])}"
        assert store.pages(address) == [one["id"] for one in expected], address
