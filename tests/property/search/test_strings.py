"""String searches against a naive reading: letters compared by a table."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.names import name_question, names
from tests.property.search.question import any_of
from tests.property.search.store import Store
from tests.support.examples import examples


@pytest.mark.spec("FHIR R4 search.html#string")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_strings_are_found_as_the_page_says(store: Store, seed: int) -> None:
    """By how they start or by a part, whatever the case, accents and punctuation, or to the letter."""
    random, known = Random(seed), list[str]()
    store.settle([{"resourceType": "Patient", "id": f"p{n}"} | names(random, known) for n in range(15)])
    for _ in range(40):
        question, other = name_question(random, known), name_question(random, known)
        store.check(question)
        if question.name == other.name:
            store.check(any_of([question, other]))
