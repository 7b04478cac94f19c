"""`:contains`: what is found, and from which index."""

from __future__ import annotations

import pytest

from tests.support.resources import patient
from tests.support.search import Clinic

pytestmark = pytest.mark.spec("FHIR R4 search.html#string")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("chmid", "schmidt"),
        ("CHMÍD", "schmidt"),
        ("smi", "smith smithson"),
        ("th", "smith smithson"),
        ("s", "schmidt smith smithson"),
        ("smithson", "smithson"),
        ("mitsmi", ""),
        ("schsch", ""),
        ("100%25", ""),
    ],
)
def test_a_string_is_found_by_any_part_of_it(clinic: Clinic, value: str, expected: str) -> None:
    """Letters that stand together, whatever their number and case; letters that do not are not enough."""
    for family in ("Smith", "Smithson", "Schmidt"):
        clinic.put(patient(id=family.lower(), name=[{"family": family}]))
    assert sorted(clinic.ids(f"Patient?family:contains={value}")) == expected.split()


def test_three_letters_are_looked_up_in_an_index(clinic: Clinic) -> None:
    """Not every string of the parameter is read."""
    clinic.put(patient(id="p", name=[{"family": "Family123x"}]))
    clinic.run(
        """INSERT INTO index_string (param, folded, exact, grams, pk)
           SELECT s.param, md5(n::text), '', ARRAY[n, n + 1, n + 2], s.pk
           FROM index_string s, generate_series(1, 20000) n WHERE s.exact = 'Family123x'"""
    )
    clinic.run("ANALYZE index_string")
    plan = clinic.explain("Patient?family:contains=y123x")
    assert "index_string_grams" in plan, plan
