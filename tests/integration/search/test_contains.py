"""`:contains`: what is found, and from which index."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.database import Statement, Work, transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search import limited
from healix_fhir.search.match import Condition, match
from healix_fhir.search.run import search
from tests.support.resources import patient
from tests.support.search import BASE, EVERYONE, SIGNER, Clinic, ask

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


def _fill(clinic: Clinic) -> None:
    """20,000 strings of one parameter."""
    clinic.put(patient(id="p", name=[{"family": "Family123x"}]))
    clinic.run(
        """INSERT INTO index_string (param, folded, exact, grams, pk)
           SELECT s.param, md5(n::text), '', ARRAY[n, n + 1, n + 2], s.pk
           FROM index_string s, generate_series(1, 20000) n WHERE s.exact = 'Family123x'"""
    )
    clinic.run("ANALYZE index_string")


@pytest.mark.parametrize("query", ["family:contains=y123x", "_filter=family ew 123x"])
def test_three_letters_are_looked_up_in_an_index(clinic: Clinic, query: str) -> None:
    """Not every string of the parameter is read, also for those that end so."""
    _fill(clinic)
    plan = clinic.explain(f"Patient?{query}")
    assert "index_string_grams" in plan, plan


@pytest.mark.parametrize(
    "query",
    [
        "Patient?family:contains=%C3%9F", "Patient?family:contains=yy&active=true", "Patient?_filter=family ew zz",
        "Patient?family:contains=yy&_summary=count", "Observation?subject:Patient.family:contains=yy",
        "Patient?_has:Observation:subject:subject:Patient.family:contains=yy",
    ],
)  # fmt: skip
def test_one_or_two_letters_are_looked_for_for_a_while(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """They are found by reading every string; what takes too long ends in a refusal that says what to do."""
    _fill(clinic)
    clinic.page(query)
    monkeypatch.setattr(limited, "MILLISECONDS", 1)
    with pytest.raises(HealixError, match=r"family: .* letters or more") as refusal:
        clinic.page(query)
    assert (refusal.value.category, refusal.value.issues[0].code) == (Category.INVALID, "too-costly")


def test_the_limit_is_of_the_one_search_only(clinic: Clinic) -> None:
    """What follows in the same transaction has the time that it had; who gives three letters costs one statement."""
    clinic.put(patient(id="p", name=[{"family": "Smith"}]))
    shown = []

    def work() -> Work[None]:
        for address in ("Patient?family:contains=mi", "Patient?family:contains=mit"):
            yield from search(EVERYONE, ask(address), base=BASE, signer=SIGNER)
            shown.append((yield Statement("SHOW statement_timeout")))

    before = clinic.run("SHOW statement_timeout")
    transaction(clinic.pool, work)
    assert shown == [before, before]
    short, long = (
        clinic.statements(search(EVERYONE, ask(f"Patient?family:contains={part}"), base=BASE, signer=SIGNER))
        for part in ("mi", "mit")
    )
    assert (short, long) == (3, 1)


@pytest.mark.spec("FHIR R4 http.html#cond-update")
def test_no_condition_reads_every_string(clinic: Clinic) -> None:
    """What an interaction depends on is found from an index, or refused."""
    condition = Condition("Patient", (("family:contains", "mi"),))
    with pytest.raises(HealixError, match="letters or more"):
        transaction(clinic.pool, lambda: match(EVERYONE, condition, base=BASE))
