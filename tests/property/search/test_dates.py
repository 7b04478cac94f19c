"""Date searches against a naive reading, of every FHIR type that is searched as a date."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.search.dated import Dates
from tests.property.search.moments import Span, date_question, moment, written
from tests.property.search.question import Json, any_of
from tests.property.search.store import Store
from tests.support.examples import examples

INSTANT = 0.5
"""How long an instant lasts, in milliseconds: less than any date that can be asked for here."""


@pytest.mark.spec("FHIR R4 search.html#date", "FHIR R4 search.html#prefix")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_dates_are_found_as_the_page_says(store: Store, seed: int) -> None:
    """Every prefix, precision and zone; periods with open ends and outer limits of timings; one date or several."""
    dates = Dates(Random(seed))
    types = ("Observation", "CarePlan", "Condition")
    store.settle([{"resourceType": t, "id": f"r{n}"} | dates.elements(t) for t in types for n in range(7)])
    for _ in range(40):
        question, other = dates.question(), dates.question()
        store.check(question)
        if (question.type_name, question.name) == (other.type_name, other.name):
            store.check(any_of([question, other]))


@pytest.mark.spec("FHIR R4 search.html#lastUpdated")
@settings(max_examples=examples(10), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_the_last_change_is_found_as_a_date_is(store: Store, seed: int) -> None:
    """It is an instant, of which every prefix holds as of any."""
    random = Random(seed)
    resources: list[Json] = [{"resourceType": "Basic", "id": f"b{n}"} for n in range(8)]
    store.settle(resources)
    changed: dict[str, Span] = {}
    for resource in resources:
        start = random.choice(written(random)[1])
        changed[resource["id"]] = start, start + INSTANT
        store.touch(resource["id"], moment(start))
    for _ in range(40):
        store.check(date_question(random, "Basic", "_lastUpdated", lambda r: [changed[r["id"]]]))
