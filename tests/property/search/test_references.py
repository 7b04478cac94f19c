"""Reference searches against a naive reading: every form of a reference and of a search for it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.question import Json, Question, any_of, at
from tests.property.search.referring import known_texts, references, referring_question
from tests.property.search.store import Store
from tests.support.examples import examples

PLANS = "http://plans.test/p"
VERSIONS = ("1", "1.2", "1.2.3", "10", "2")


@pytest.mark.spec("FHIR R4 search.html#reference", "FHIR R4 search.html#modifiers")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_references_are_found_as_the_page_says(store: Store, seed: int) -> None:
    """By id, type, URL, version; by identifier and by the text beside; alone and as alternatives."""
    random = Random(seed)
    plain = {"resourceType": "Observation", "status": "final", "code": {"text": "c"}}
    resources = [plain | {"id": f"o{n}"} | references(random) for n in range(18)]
    store.settle(resources)
    known = known_texts(resources)
    for _ in range(60):
        question, other = referring_question(random, known), referring_question(random, known)
        store.check(question)
        if question.name == other.name:
            store.check(any_of([question, other]))


def _canonical_question(random: Random) -> Question:
    """A search for a canonical URL: in any version, in one, in those below or above it."""
    version = random.choice(VERSIONS)
    exact, modifier = f"{PLANS}|{version}", random.choice(["", ":below", ":above", "any"])

    def above(one: str, other: str) -> bool:
        return other == one or other.startswith(f"{one}.")

    def holds(resource: Json) -> bool:
        return any(
            {
                "any": value.partition("|")[0] == PLANS,
                "": value == exact,
                ":below": above(exact, value),
                ":above": "|" in value and above(value, exact),
            }[modifier]
            for value in at(resource, "instantiatesCanonical")
        )

    value = PLANS if modifier == "any" else exact
    return Question("CarePlan", "instantiates-canonical" + ("" if modifier == "any" else modifier), value, holds)


@pytest.mark.spec("FHIR R4 references.html#canonical", "FHIR R4 search.html#versions")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_canonical_references_are_found_by_url_and_version(store: Store, seed: int) -> None:
    """A URL without a version finds every one; versions lie below each other, part by part."""
    random = Random(seed)

    def plan(id_: str) -> Json:
        urls = [
            random.choice([PLANS, f"{PLANS}2"]) + random.choice(["", *(f"|{version}" for version in VERSIONS)])
            for _ in range(random.randint(1, 2))
        ]
        return {"resourceType": "CarePlan", "id": id_, "instantiatesCanonical": urls}

    store.settle([plan(f"c{n}") for n in range(12)])
    for _ in range(25):
        store.check(_canonical_question(random))
