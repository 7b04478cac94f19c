"""Includes: what comes with the matches, its limit, and the number of statements."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.query import parse
from healix_fhir.search.run import search
from tests.support.resources import observation, patient
from tests.support.search import BASE, EVERYONE, SIGNER, Clinic


def _included(clinic: Clinic, address: str, scope: str = "system/*.rs", **owner: str) -> list[str]:
    access = clinic.access(scope, **owner)
    return [f"{hit.type}/{hit.id}" for hit in clinic.page(address, access).entries if hit.mode == "include"]


def test_an_include_needs_a_scope_for_the_included_type(clinic: Clinic) -> None:
    """Read or search permission opens an included type; without either nothing of it comes along, and no error."""
    clinic.put(patient(id="p"), observation("Patient/p", id="o"))
    address = "Observation?_include=Observation:subject"
    assert _included(clinic, address, "system/Observation.rs system/Patient.r") == ["Patient/p"]
    assert _included(clinic, address, "system/Observation.rs system/Patient.s") == ["Patient/p"]
    assert _included(clinic, address, "system/Observation.rs system/Patient.u") == []
    assert _included(clinic, address, "system/Observation.rs") == []


def test_an_include_never_leaves_the_compartment(clinic: Clinic) -> None:
    """A token of one patient sees the shared resource of two, but not the other patient."""
    recipients = [{"reference": "Patient/p"}, {"reference": "Patient/q"}]
    clinic.put(
        patient(id="p"),
        patient(id="q"),
        {"resourceType": "Communication", "id": "c", "status": "completed", "recipient": recipients},
    )
    address = "Communication?_include=Communication:recipient"
    assert _included(clinic, address, "patient/*.rs", patient="q") == ["Patient/q"]
    assert _included(clinic, address) == ["Patient/p", "Patient/q"]


def test_what_passes_the_limit_is_told(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Includes beyond the limit are left out, and the answer says so."""
    monkeypatch.setattr("healix_fhir.search.include.LIMIT", 2)
    monkeypatch.setattr("healix_fhir.search.run.LIMIT", 2)
    for n in range(3):
        clinic.put(patient(id=f"p{n}"), observation(f"Patient/p{n}", id=f"o{n}"))
    page = clinic.page("Observation?_include=Observation:subject")
    assert [hit.mode for hit in page.entries].count("include") == 2
    assert [issue.code for issue in page.ignored] == ["too-costly"]


@pytest.mark.parametrize("count", [1, 50])
def test_a_search_costs_two_statements(clinic: Clinic, count: int) -> None:
    """One for matches and total, one for all includes, however many there are."""
    for n in range(5):
        clinic.put(patient(id=f"p{n}"), observation(f"Patient/p{n}", id=f"o{n}"))
    params = [("_include", "Observation:subject"), ("_include", "Observation:encounter"), ("_total", "accurate")]
    query = parse("Observation", [*params, ("_count", str(count))])
    assert clinic.statements(search(EVERYONE, query, base=BASE, signer=SIGNER)) == 2


def test_without_a_scope_for_the_type_a_search_is_refused(clinic: Clinic) -> None:
    """A read scope is no search scope; a scope without its patient sees nothing."""
    clinic.put(patient(id="p"), observation("Patient/p", id="o"))
    with pytest.raises(HealixError) as refusal:
        clinic.page("Observation", clinic.access("system/Observation.r"))
    assert refusal.value.category is Category.FORBIDDEN
    nobody = clinic.access("patient/*.rs user/*.rs")
    for query in ("", "code=8867-4", "patient=p", "patient=p&code=8867-4", "_id=o"):
        page = clinic.page(f"Observation?{query}&_total=accurate", nobody)
        assert (page.entries, page.total) == ([], 0)


def test_nothing_runs_before_the_scope_is_checked() -> None:
    """The refusal costs no statement."""
    query = parse("Observation", [])
    access = type(EVERYONE)(scopes=frozenset())
    with pytest.raises(HealixError):
        next(search(access, query, base=BASE, signer=SIGNER))
