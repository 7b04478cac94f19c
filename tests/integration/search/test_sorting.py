"""Sorting by any parameters, and pages in both directions over every order."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.search.result import Total
from healix_fhir.search.run import reading_of
from tests.support.resources import observation, patient
from tests.support.search import Clinic, ask


def _person(id_: str, family: str | None, born: str | None, gender: str | None, *given: str) -> dict[str, Any]:
    elements: dict[str, Any] = {"resourceType": "Patient", "id": id_}
    if family or given:
        elements["name"] = [{"family": family} if family else {}, *({"given": [one]} for one in given)]
    return elements | {k: v for k, v in (("birthDate", born), ("gender", gender)) if v}


PEOPLE = (
    _person("a", "Zorn", "1990", "male", "Ina", "Bo"),
    _person("b", "ábel", "1980-05", "female", "Cy"),
    _person("c", "Abel", None, "female", "Al", "Zoe"),
    _person("d", None, "1990", None),
    _person("e", "Berg", "1970", "male"),
    _person("f", None, None, "female"),
)


@pytest.mark.spec("FHIR R4 search.html#sort")
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("family", "b c e a d f"),
        ("-family", "a e c b f d"),
        ("birthdate", "e b a d c f"),
        ("-birthdate", "d a b e f c"),
        ("gender", "b c f a e d"),
        ("-gender,_id", "a e b c f d"),
        ("gender,-family", "b c f a e d"),
        ("gender,birthdate,family", "b c f e a d"),
        ("-birthdate,-family", "a d b e c f"),
        ("given", "c a b d e f"),
        ("-given", "c a b f e d"),
        ("-_id", "f e d c b a"),
    ],
)
@pytest.mark.parametrize("query", ["", "&_id=a,b,c,d,e,f", "&_lastUpdated=gt2000", "&gender:not=other"])
@pytest.mark.parametrize("count", [1, 2, 4, 50])
def test_results_are_sorted_by_every_key_and_paged_in_that_order(
    clinic: Clinic, sort: str, expected: str, query: str, count: int
) -> None:
    """Missing values come last in either direction; of several values the first in that direction counts."""
    clinic.put(*PEOPLE)
    address = f"Patient?_sort={sort}{query}&_count={count}"
    assert clinic.ids(address) == expected.split()
    assert _backwards(clinic, address) == expected.split()


@pytest.mark.spec("FHIR R4 search.html#sort")
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("deceased", "c d a b"),
        ("-deceased,_id", "a b c d"),
        ("active", "b a c d"),
        ("identifier", "c a d b"),
        ("-identifier", "c d a b"),
        ("language", "d a c b"),
        ("telecom", "b a c d"),
        ("_profile", "d a c b"),
        ("-_tag", "a d c b"),
    ],
)
@pytest.mark.parametrize("count", [1, 50])
def test_tokens_and_uris_of_every_form_have_an_order(clinic: Clinic, sort: str, expected: str, count: int) -> None:
    """Codings, identifiers, contacts, booleans, tests and arrays with nulls, by their code in small letters."""
    clinic.put(
        {
            "resourceType": "Patient", "id": "a", "deceasedBoolean": True, "active": True,
            "identifier": [{"value": "M"}], "communication": [{"language": {"coding": [{"code": "en"}]}}],
            "meta": {"profile": ["http://b.test"], "tag": [{"code": "Z"}]}, "telecom": [{"value": "5"}],
        },
        {
            "resourceType": "Patient", "id": "b", "deceasedDateTime": "2020", "active": False,
            "telecom": [{"value": "3"}],
        },
        {
            "resourceType": "Patient", "id": "c", "deceasedBoolean": False,
            "identifier": [{"value": "x"}, {"value": "A"}],
            "communication": [{"language": {"coding": [{"code": "fr"}]}}],
            "meta": {"profile": ["http://c.test"], "tag": [{"code": "b"}]},
        },
        {
            "resourceType": "Patient", "id": "d", "identifier": [{"value": "m"}],
            "communication": [{"language": {"coding": [{"code": "DE"}]}}],
            "meta": {"profile": ["http://a.test"], "tag": [{"code": "y"}]},
        },
    )  # fmt: skip
    assert clinic.ids(f"Patient?_sort={sort}&_count={count}") == expected.split()


@pytest.mark.parametrize("path", ["", "Patient/a/*", "Patient/c/*"])
def test_a_search_without_types_is_sorted_by_anything(clinic: Clinic, path: str) -> None:
    """Every type is asked for the parameter."""
    clinic.put(patient(id="a"), observation("Patient/a", id="o1", effectiveDateTime="2024-05-01"))
    clinic.put(observation("Patient/a", id="o2", effectiveDateTime="2024-05-02"))
    clinic.put({"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/a"},
                "status": "planned", "class": {"code": "x"}, "period": {"start": "2024-05-01T12:00:00Z"}})  # fmt: skip
    found = {"": ["o2", "e", "o1", "a"], "Patient/a/*": ["o2", "e", "o1", "a"], "Patient/c/*": []}
    assert clinic.ids(f"{path}?_sort=-date") == found[path]
    assert clinic.ids(f"{path}?_sort=-date&_type=Device") == []


def _backwards(clinic: Clinic, address: str) -> list[str]:
    """The matches as they are met from the last page back."""
    type_name = address.partition("?")[0]
    links = clinic.page(address).links
    page = clinic.page(f"{type_name}?{links['last']}" if "last" in links else address)
    pages = [[hit.id for hit in page.entries]]
    while "previous" in page.links:
        page = clinic.page(f"{type_name}?{page.links['previous']}")
        pages.append([hit.id for hit in page.entries])
    return [id_ for ids in reversed(pages) for id_ in ids]


@pytest.mark.spec("FHIR R4 http.html#paging")
def test_previous_leads_back_to_the_page_one_came_from(clinic: Clinic) -> None:
    """First, previous, next and last are there as far as there are such pages, and agree with each other."""
    clinic.put(*(observation("Patient/p", id=f"o{n}", effectiveDateTime=f"2024-05-0{n + 1}") for n in range(5)))
    first = clinic.page("Observation?_count=2")
    assert sorted(first.links) == ["first", "last", "next", "self"]
    second = clinic.page(f"Observation?{first.links['next']}")
    assert sorted(second.links) == ["first", "last", "next", "previous", "self"]
    back = clinic.page(f"Observation?{second.links['previous']}")
    assert [hit.id for hit in back.entries] == [hit.id for hit in first.entries] == ["o4", "o3"]
    assert "previous" not in back.links
    again = clinic.page(f"Observation?{back.links['next']}")
    assert [hit.id for hit in again.entries] == ["o2", "o1"]
    last = clinic.page(f"Observation?{first.links['last']}")
    assert [hit.id for hit in last.entries] == ["o1", "o0"]
    assert "next" not in last.links
    assert sorted(clinic.page("Observation?_count=5").links) == ["self"]


@pytest.mark.parametrize("sort", ["family", "-birthdate", "gender,_id", "-_lastUpdated"])
def test_a_patients_own_results_are_sorted_as_all_are(clinic: Clinic, sort: str) -> None:
    """The order does not depend on who asks, only what is in it."""
    clinic.put(*PEOPLE, patient(id="z"))
    access = clinic.access("patient/*.rs", patient="c")
    page = clinic.page(f"Patient?_sort={sort}&_total=accurate", access)
    assert ([hit.id for hit in page.entries], page.total) == (["c"], 1)


@pytest.mark.spec("FHIR R4 search.html#total")
def test_an_estimate_is_exact_while_it_is_cheap_and_for_those_who_see_a_part(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a limit the planner guesses, but never for a caller whom its statistics would tell of others."""
    clinic.put(*(observation(f"Patient/p{n % 2}", id=f"o{n}") for n in range(8)))
    assert clinic.page("Observation?_total=estimate&_count=2").total == 8
    monkeypatch.setattr("healix_fhir.search.statement.ROUGHLY", 3)
    for place in ("run", "estimate"):
        monkeypatch.setattr(f"healix_fhir.search.{place}.ROUGHLY", 3)
    assert (clinic.page("Observation?_total=estimate&_count=2").total or 0) > 3
    one = clinic.access("patient/*.rs", patient="p1")
    assert clinic.page("Observation?_total=estimate&_count=2", one).total == 4


@pytest.mark.parametrize(
    "query",
    [
        "Observation?subject:Patient.family=a",
        "Observation?_filter=not (subject.family eq a)",
        "Observation?_has:DiagnosticReport:result:subject:Patient.family=a",
    ],
)
def test_no_estimate_by_what_a_chain_hides(clinic: Clinic, query: str) -> None:
    """Who sees all that is searched, but not all that a chain leads to, gets the accurate number too."""
    asked = ask(f"{query}&_total=estimate")
    scopes = ("system/*.rs", "system/Observation.rs system/DiagnosticReport.rs patient/Patient.rs")
    totals = [reading_of(clinic.access(scope, patient="p"), asked).total for scope in scopes]
    assert totals == [Total.ESTIMATE, Total.ACCURATE]
