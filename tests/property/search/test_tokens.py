"""Token searches against a naive reading, of every FHIR type that is searched as a token."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.coded import coded_observation, coded_person, coded_question, known_texts
from tests.property.search.codes import CODES, SYSTEMS
from tests.property.search.question import any_of
from tests.property.search.store import Store
from tests.support.examples import examples


@pytest.mark.spec("FHIR R4 search.html#token", "FHIR R4 search.html#modifiers", "FHIR R4 search.html#escaping")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_tokens_are_found_as_the_page_says(store: Store, seed: int) -> None:
    """Every form of a token, and `:not`, `:of-type` and `:text`, alone and as alternatives."""
    random = Random(seed)
    observations = [{"resourceType": "Observation", "id": f"o{n}"} | coded_observation(random) for n in range(12)]
    people = [{"resourceType": "Patient", "id": f"p{n}"} | coded_person(random) for n in range(8)]
    store.settle(observations + people)
    known = known_texts(observations)
    for _ in range(60):
        question = coded_question(random, known)
        store.check(question)
        alike = [coded_question(random, known) for _ in range(20)]
        others = [one for one in alike if (one.type_name, one.name) == (question.type_name, question.name)]
        if others and not question.name.endswith(":not"):
            store.check(any_of([question, *others]))


def test_systems_and_codes_need_escapes() -> None:
    """The random codes and systems hold what has a meaning in a search value."""
    assert set("".join((*CODES, *SYSTEMS))) >= set(",|$\\")
