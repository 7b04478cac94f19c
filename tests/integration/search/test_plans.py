"""The shapes of plans, at a size at which a wrong one would show."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from healix_fhir.kernel.database import open_pool
from healix_fhir.kernel.errors import Category, HealixError
from smart_auth.access import AccessContext
from tests.support.scale import fill
from tests.support.search import EVERYONE, Clinic

CODE = "code=http://loinc.org|code-3"
PART = r"(?:_\d+)?"
"""What the name of an index or table of a partition ends in. Each of them gives one row more than is wanted at most."""


def _filled(postgres_url: str, name: str, patients: int) -> Iterator[Clinic]:
    """20,000 Observations of so many patients."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template_healix")
    with open_pool(postgres_url.replace("/postgres?", f"/{name}?"), size=1) as pool:
        clinic = Clinic(pool)
        fill(clinic, patients=patients, observations=20_000)
        yield clinic
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def scaled(postgres_url: str) -> Iterator[Clinic]:
    """20 patients with a thousand Observations each."""
    yield from _filled(postgres_url, "plans", 20)


@pytest.fixture(scope="module")
def spread(postgres_url: str) -> Iterator[Clinic]:
    """400 patients with fifty Observations each, of whom a practitioner sees forty."""
    for clinic in _filled(postgres_url, "plans_spread", 400):
        clinic.run(
            "INSERT INTO care_relationship (practitioner, pat, source) SELECT 'd', pat, 's' FROM patient_key"
            " ORDER BY pat LIMIT 40"
        )
        clinic.run(
            "INSERT INTO care_relationship (practitioner, pat, source) SELECT 'e', min(pat), 's' FROM patient_key"
        )
        clinic.run("ANALYZE care_relationship")
        yield clinic


def _most_rows(plan: str) -> int:
    """The most rows that any node of a plan gave or threw away."""
    figures = re.findall(r"actual rows=([\d.]+)|Removed by Filter: (\d+)", plan)
    return max(int(float(given or removed)) for given, removed in figures)


def _most_lookups(plan: str) -> int:
    """How often the part of a plan that ran most often did."""
    return max(int(loops) for loops in re.findall(r"loops=(\d+)", plan))


def _callers(clinic: Clinic) -> dict[str, AccessContext]:
    clinic.run(
        "INSERT INTO care_relationship (practitioner, pat, source) SELECT 'd', pat, 's' FROM patient_key"
        " WHERE id IN ('p1', 'p2') ON CONFLICT DO NOTHING"
    )
    return {
        "system": EVERYONE,
        "patient": clinic.access("patient/*.rs", patient="p1"),
        "user": clinic.access("user/*.rs", practitioner="d"),
    }


@pytest.mark.parametrize("caller", ["system", "patient", "user"])
def test_patient_code_and_date_are_one_range_of_an_index(scaled: Clinic, caller: str) -> None:
    """The newest of a patient's readings are read in order, from the index alone, as many as the page takes."""
    plan = scaled.explain(f"Observation?patient=p1&{CODE}&date=lt2024&_count=10", _callers(scaled)[caller])
    assert "Index Only Scan Backward using index_token_h_pat_d" in plan
    assert "Seq Scan on resource r" not in plan
    assert 11 <= _most_rows(plan) <= 100


@pytest.mark.parametrize(
    "query", [CODE, "code=code-3", "code=code-3,code-4", f"{CODE}&date=ge2020", "category=vital-signs&code=code-3", ""]
)
def test_the_newest_page_reads_no_more_than_a_page(scaled: Clinic, query: str) -> None:
    """Without a patient too, an order that an index has is never sorted from everything."""
    plan = scaled.explain(f"Observation?{query}&_count=10")
    assert 11 <= _most_rows(plan) <= 30, plan


@pytest.mark.parametrize(
    ("scope", "query", "most"),
    [
        ("system/Observation.rs?code=code-rare", "", 30),
        ("system/Observation.rs?code=code-rare system/Observation.rs?code=none", "", 30),
        ("system/Observation.rs?category=vital-signs&code=code-rare", "status=final", 30),
        ("system/Observation.rs?category=vital-signs", CODE, 30),
        ("patient/Observation.rs?code=code-3", "", 200),
        ("patient/Observation.rs?category=vital-signs", f"patient=p1&{CODE}&date=lt2024", 200),
        ("user/Observation.rs?code=code-rare", "", 30),
    ],
)
def test_the_query_of_a_scope_is_a_range_of_an_index(scaled: Clinic, scope: str, query: str, most: int) -> None:
    """What the query of a scope does not find is not read: a rare thing is looked up, not waited for."""
    _callers(scaled)
    access = scaled.access(scope, patient="p1", practitioner="d")
    plan = scaled.explain(f"Observation?{query}&_count=10", access)
    assert _most_rows(plan) <= most, plan


def test_a_patients_token_reads_the_patients_rows_only(scaled: Clinic) -> None:
    """The access predicate is a range of the index: other patients' rows are not even looked at."""
    anyone = ",".join("0123456789abcdef")
    chain = f"subject:Patient.family={anyone}"
    for query in (CODE, "", "status=final", "category=vital-signs", chain, f"{CODE}&{chain}"):
        plan = scaled.explain(f"Observation?{query}&_count=10", _callers(scaled)["patient"])
        assert _most_rows(plan) <= 1100, plan


def test_a_late_page_costs_what_the_first_does(scaled: Clinic) -> None:
    """The keyset is part of the range."""
    pages = scaled.pages(f"Observation?{CODE}&_count=200")
    following = [next(pages).next for _ in range(5)][-1]
    plan = scaled.explain(f"Observation?{CODE}&_count=200")
    assert following is not None
    late = scaled.explain(f"Observation?{following}")
    assert _most_rows(late) <= _most_rows(plan) + 1, late


@pytest.mark.parametrize(
    ("query", "most"),
    [
        ("Observation?subject:Patient.family={one}&_count=10", 1100),
        ("Observation?code=code-3&patient.family={one}&_count=10", 1100),
        ("Observation?subject:Patient.family:missing=false&_count=10", 2100),
        ("Patient?_has:Observation:patient:code=code-3&_count=10", 2100),
        ("Observation?_sort=-_lastUpdated&_count=10", 30),
        ("?_type=Observation,Encounter&_sort=-date&_count=10", 30),
        ("Observation?patient=p1&_sort=subject&_count=10", 1100),
        ("Patient/p1/Observation?_count=10", 30),
        ("?_count=10", 200),
    ],
)
def test_links_sorts_and_compartments_read_a_bounded_part(scaled: Clinic, query: str, most: int) -> None:
    """A list that is short is sorted, one that is long is left for reading in order: neither reads everything."""
    one = scaled.run("SELECT md5('p1')")[0][0]
    plan = scaled.explain(query.format(one=one))
    assert _most_rows(plan) <= most, plan
    assert "Seq Scan on resource t" not in plan


def test_a_short_list_leaves_the_ordered_part_unread(scaled: Clinic) -> None:
    """The statement chooses by the length of the list: what is not chosen is never executed."""
    one = scaled.run("SELECT md5('p1')")[0][0]
    short = scaled.explain(f"Observation?subject:Patient.family={one}&_count=10")
    assert re.search(rf"using resource_type_d{PART} on resource{PART} t\w* \(never executed\)", short), short
    long = scaled.explain("Observation?subject:Patient.gender:not=other&_count=10")
    assert re.search(rf"using resource_type_d{PART} on resource{PART} t\w* \(actual", long), long


def test_filters_look_nothing_up_for_what_the_caller_may_not_see(spread: Clinic) -> None:
    """Who sees one patient in ten pays for the look-ups of these, not for ten times as many."""
    user = spread.access("user/*.rs", practitioner="d")
    plan = spread.explain("Patient?_has:Observation:patient:category=vital-signs&_count=50", user)
    assert _most_lookups(plan) <= 2100, plan


@pytest.mark.parametrize(
    "query", [CODE, f"{CODE}&date=lt2024", "", "subject:Patient.family=a,b,c,d", "_sort=-_lastUpdated"]
)
def test_who_cares_for_many_has_their_patients_listed_once(spread: Clinic, query: str) -> None:
    """Rows of others are told apart in a hash of the list, from the index that has the order: nothing is joined."""
    user = spread.looked(spread.access("user/*.rs", practitioner="d"))
    plan = spread.explain(f"Observation?{query}&_count=10", user)
    assert plan.count("care_relationship") == 1, plan
    assert "Semi Join" not in plan
    assert _most_rows(plan) <= 2100, plan
    assert spread.ids(f"Observation?{query}") != []


@pytest.mark.parametrize("query", [CODE, "", "category=vital-signs"])
def test_rows_of_others_are_told_apart_by_the_index_alone(spread: Clinic, query: str) -> None:
    """Whose a row is stands in the index: the rows that are passed over are not looked at."""
    user = spread.looked(spread.access("user/*.rs", practitioner="d"))
    plan = spread.explain(f"Observation?{query}&_count=10", user)
    alone = rf"Index Only Scan Backward using (?:index_token_h_d|resource_type_d)({PART}) on .*actual rows=([\d.]+)"
    passed = re.findall(alone, plan)
    assert 11 <= sum(float(rows) for _, rows in passed) <= 10 + len({part for part, _ in passed}), plan
    assert set(re.findall(r"Heap Fetches: (\d+)", plan)) == {"0"}, plan


@pytest.mark.parametrize(
    ("practitioner", "query"),
    [
        ("e", CODE),  # one patient in two hundred
        ("d", f"{CODE}&_summary=count"),
        ("d", f"patient=p1&{CODE}&_summary=count"),
        ("d", f"{CODE}&status=final"),  # of which no list is made
        ("d", f"{CODE}&category=vital-signs"),
    ],
)
def test_what_few_rows_bound_is_found_by_patient(spread: Clinic, practitioner: str, query: str) -> None:
    """A clinician of few patients, and whoever counts, or asks for what may be rare, reads their patients' rows."""
    user = spread.looked(spread.access("user/*.rs", practitioner=practitioner))
    plan = spread.explain(f"Observation?{query}&_count=10", user)
    assert "CTE care" not in plan
    assert _most_rows(plan) <= 400 * 50 / 10, plan


def test_scopes_with_a_query_are_read_by_what_they_ask(spread: Clinic) -> None:
    """What a query asks may be rarer than what is in care."""
    user = spread.looked(spread.access("user/Observation.rs?code=code-3", practitioner="d"))
    assert "CTE care" not in spread.explain("Observation?_count=10", user)


def test_a_dense_chain_looks_into_the_list_of_its_ends(scaled: Clinic) -> None:
    """What lies at the end of a chain is looked up once, not again for every row that is read in order."""
    plan = scaled.explain(f"Observation?subject:Patient.family={','.join('0123456789abcdef')}&_count=10")
    assert re.search(rf"resource_type_id{PART} on resource{PART} r1\w* \(never executed\)", plan), plan
    assert _most_rows(plan) <= 2100, plan


def test_a_search_of_more_values_than_a_statement_takes_is_refused(clinic: Clinic) -> None:
    """PostgreSQL takes 65,535 values: more of them are the caller's fault, not ours."""
    values = ",".join(f"{number}|http://unitsofmeasure.org|kg" for number in range(490))
    query = f"value-quantity={values}"
    one = clinic.access("patient/*.rs user/*.rs", patient="p", practitioner="d")
    assert clinic.ids(f"Observation?{query}", one) == []
    with pytest.raises(HealixError) as refusal:
        clinic.page(f"Observation?_total=accurate&{'&'.join([query] * 4)}", one)
    assert refusal.value.category is Category.INVALID
