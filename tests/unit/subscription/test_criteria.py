"""The keys by which changed resources find subscriptions."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.hashing import key64
from healix_fhir.search.extract import extract
from healix_fhir.search.holds import holds
from healix_fhir.subscription.criteria import is_told, keys, keys_of, nodes

BASE = "https://healix.test/fhir"
RESOURCE = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
    "subject": {"reference": "Patient/p1"},
}


@pytest.mark.parametrize(
    ("query", "is_coarse"),
    [
        ("", True),
        ("status=final", False),
        ("status=final,amended", False),
        ("status:not=final", True),
        ("patient=p1&status=final", False),
        ("patient=p1,p2", False),
        ("code=http://loinc.org|8867-4", False),
        ("code=8867-4&subject=Patient/p1", False),
        ("_id=o", False),
        ("date=gt2020", True),
        ("_lastUpdated=gt2020&code=8867-4", False),
    ],
)
def test_what_meets_criteria_has_one_of_their_keys(query: str, is_coarse: bool) -> None:
    """Keys leave nothing out; the type alone is the key only where criteria have no better."""
    rows = extract(RESOURCE, "Observation", (BASE,))
    mine = set(keys_of("Observation", "o", rows))
    wanted = keys("Observation", query, BASE)
    assert (wanted == {key64("Observation")}) is is_coarse
    if is_told("Observation", query, BASE) and all(holds(one, rows, "o") for one in nodes("Observation", query, BASE)):
        assert wanted & mine


@pytest.mark.parametrize("query", ["patient=p2", "code=1-8", "_id=x", "status=amended,cancelled"])
def test_others_are_not_looked_at(query: str) -> None:
    """What asks for another patient, code, id or status is not found."""
    rows = extract(RESOURCE, "Observation", (BASE,))
    assert not keys("Observation", query, BASE) & set(keys_of("Observation", "o", rows))


def test_the_patient_is_the_best_key() -> None:
    """Of several conditions that which few resources meet is chosen."""
    assert keys("Observation", "status=final&patient=p1", BASE) == keys("Observation", "patient=p1", BASE)
