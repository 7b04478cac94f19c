"""Composite searches against a naive reading: some element has both parts."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.amounts import NUMBERS, PREFIXES, matches, quantity, unit
from tests.property.search.question import Json, Question
from tests.property.search.store import Store
from tests.support.examples import examples

CODES = ("a", "b", "B", "c")
SYSTEMS = (None, "urn:s", "urn:t")


def _concept(random: Random) -> Json:
    def coding() -> Json:
        system = random.choice(SYSTEMS)
        return {"code": random.choice(CODES)} | ({"system": system} if system else {})

    return {"coding": [coding() for _ in range(random.randint(1, 2))]}


def _element(random: Random) -> Json:
    element: Json = {"code": _concept(random)}
    match random.randrange(3):
        case 0:
            element["valueQuantity"] = quantity(random)
        case 1:
            element["valueCodeableConcept"] = _concept(random)
        case _:
            pass
    return element


def _observation(random: Random, n: int) -> Json:
    components = [_element(random) for _ in range(random.randint(0, 3))]
    return {
        "resourceType": "Observation",
        "id": f"o{n}",
        "status": "final",
        **_element(random),
        **({"component": components} if components else {}),
    }


def _elements(resource: Json, name: str) -> Iterator[Json]:
    if not name.startswith("component"):
        yield resource
    if name.startswith("co") and not name.startswith("code"):
        yield from resource.get("component", ())


def _token(random: Random) -> tuple[str, str | None, str | None]:
    """A code as it is asked for, its system (empty: none) and the code."""
    code = random.choice(CODES)
    system = random.choice(["", "urn:s", "urn:t"])
    return random.choice([(code, None, code), (f"{system}|{code}", system, code)])


def _is(concept: Json, system: str | None, code: str | None) -> bool:
    return any(
        (code is None or coding.get("code", "").lower() == code.lower()) and system in (None, coding.get("system", ""))
        for coding in concept.get("coding", ())
    )


def _with_quantity(random: Random) -> Question:
    name = random.choice(["code-value-quantity", "component-code-value-quantity", "combo-code-value-quantity"])
    asked, system, code = _token(random)
    prefix, text = random.choice(PREFIXES), random.choice(NUMBERS)
    of_unit, ucum = unit(random)

    def holds(resource: Json) -> bool:
        return any(
            _is(element["code"], system, code)
            and "valueQuantity" in element
            and matches(prefix, text, element["valueQuantity"], of_unit, ucum)
            for element in _elements(resource, name)
        )

    return Question("Observation", name, f"{asked}${prefix}{text}{of_unit}", holds)


def _with_concept(random: Random) -> Question:
    name = random.choice(["code-value-concept", "component-code-value-concept", "combo-code-value-concept"])
    (asked, *code), (value, *concept) = _token(random), _token(random)

    def holds(resource: Json) -> bool:
        return any(
            _is(element["code"], *code) and _is(element.get("valueCodeableConcept", {}), *concept)
            for element in _elements(resource, name)
        )

    return Question("Observation", name, f"{asked}${value}", holds)


@pytest.mark.spec("FHIR R4 search.html#composite")
@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_all_parts_match_in_one_element(store: Store, seed: int) -> None:
    """Of the resource, of a component, or of either, whatever the other elements hold."""
    random = Random(seed)
    store.settle([_observation(random, n) for n in range(15)])
    for _ in range(30):
        store.check(_with_quantity(random))
        store.check(_with_concept(random))
