"""The first matches of conditions, one by one and many at once."""

from __future__ import annotations

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row, transaction
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.search.match import Asked, Condition, Match, match, match_each
from smart_auth.access import AccessContext
from tests.support.resources import observation, organization, patient
from tests.support.search import BASE, EVERYONE, Clinic

MRN = "urn:oid:1.2.36.146.595.217.0.1"


@pytest.fixture
def clinic(pool: ConnectionPool[Connection[Row]]) -> Clinic:
    """Patients p0 to p3 with an identifier of their own, all of one family; two Observations of p1."""
    made = Clinic(pool)
    made.put(*(patient(id=f"p{n}", identifier=[{"system": MRN, "value": f"MRN-{n}"}]) for n in range(4)))
    made.put(*(observation("Patient/p1", id=f"o{n}") for n in range(2)), organization(id="clinic"))
    return made


def found(clinic: Clinic, *asked: tuple[str, str, str], access: AccessContext = EVERYONE) -> list[list[str] | Category]:
    """The ids that each (type, parameter, value) matches, or how it is refused."""
    wanted = [Asked(access, Condition(type_, ((name, value),))) for type_, name, value in asked]
    answers = transaction(clinic.pool, lambda: match_each(wanted, base=BASE))
    return [
        answer.category if isinstance(answer, HealixError) else sorted(one.id for one in answer) for answer in answers
    ]


def test_none_one_and_no_more_than_two(clinic: Clinic) -> None:
    """A condition tells none, one and several apart; more than it is asked for is never read."""
    asked = [("Patient", "identifier", f"{MRN}|MRN-9"), ("Patient", "identifier", f"{MRN}|MRN-1"),
             ("Observation", "subject", "Patient/p1")]  # fmt: skip
    assert found(clinic, *asked) == [[], ["p1"], ["o0", "o1"]]
    (several,) = found(clinic, ("Patient", "family", "byron"))
    assert isinstance(several, list)
    assert len(several) == 2


def test_a_match_tells_the_version_of_which_it_holds(clinic: Clinic) -> None:
    """What acts on a match can see whether it has changed since."""
    condition = Condition("Patient", (("_id", "p1"), ("family", "Byron")))
    clinic.put(patient(id="p1", active=False))
    (only,) = transaction(clinic.pool, lambda: match(EVERYONE, condition, base=BASE))
    assert isinstance(only, Match)
    assert (only.id, only.version) == ("p1", 2)


def test_many_conditions_of_one_shape_cost_one_statement(clinic: Clinic) -> None:
    """Values of every kind travel as columns: identifiers, names, references; what was deleted does not match."""
    clinic.delete("Patient", "p3")
    asked = [("Patient", "identifier", f"{MRN}|MRN-{n}") for n in (3, 2, 7, 0, 1, 2)]
    expected = [[], ["p2"], [], ["p0"], ["p1"], ["p2"]]
    assert found(clinic, *asked) == expected
    wanted = [Asked(EVERYONE, Condition(type_, ((name, value),))) for type_, name, value in asked]
    assert clinic.statements(match_each(wanted * 100, base=BASE)) == 1
    mixed = [("Organization", "name", "clinic at"), ("Organization", "name", "clinic in"), *asked,
             ("Observation", "date", "ge2020"), ("Observation", "date", "ge2030")]  # fmt: skip
    assert found(clinic, *mixed) == [["clinic"], [], *expected, ["o0", "o1"], []]


@pytest.mark.parametrize(
    ("name", "value", "category"),
    [
        ("nonsense", "1", Category.INVALID),
        ("_count", "1", Category.INVALID),
        ("_sort", "family", Category.INVALID),
        ("_include", "Patient:organization", Category.INVALID),
        ("_format", "json", Category.INVALID),
        ("birthdate", "yesterday", Category.INVALID),
        ("family:nonsense", "x", Category.INVALID),
    ],
)
def test_what_chooses_no_resource_is_no_condition(clinic: Clinic, name: str, value: str, category: Category) -> None:
    """Unknown parameters, and those that only shape a result, are refused, whatever stands beside them."""
    assert found(clinic, ("Patient", name, value), ("Patient", "_id", "p1")) == [category, ["p1"]]


def test_a_condition_needs_a_parameter(clinic: Clinic) -> None:
    """An empty condition would hold of everything."""
    with pytest.raises(HealixError) as refusal:
        transaction(clinic.pool, lambda: match(EVERYONE, Condition("Patient", ()), base=BASE))
    assert refusal.value.category is Category.INVALID


def test_nothing_matches_but_what_the_caller_may_search(clinic: Clinic) -> None:
    """What is out of sight does not match; without the right to search the condition is refused."""
    mine = clinic.access("patient/Patient.rs", patient="p1")
    asked = [("Patient", "identifier", f"{MRN}|MRN-{n}") for n in (1, 2)]
    assert found(clinic, *asked, access=mine) == [["p1"], []]
    reader = clinic.access("patient/Patient.cru", patient="p1")
    assert found(clinic, *asked, access=reader) == [Category.FORBIDDEN, Category.FORBIDDEN]
