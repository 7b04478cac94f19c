"""Searches of compartments and of the whole server: what they find, for whom, in which order."""

from __future__ import annotations

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from tests.support.resources import condition, encounter, observation, organization, patient, practitioner
from tests.support.search import Clinic

DEVICE = {"resourceType": "Device", "id": "d", "patient": {"reference": "Patient/p"}}
TAGGED = {"tag": [{"system": "http://t.test", "code": "x"}]}


def _world(clinic: Clinic) -> None:
    performer = [{"reference": "Practitioner/d"}]
    relative = [{"reference": "RelatedPerson/r"}]
    clinic.put(
        patient(id="p"),
        patient(id="q", generalPractitioner=[{"reference": "Practitioner/d"}]),
        practitioner(id="d"),
        organization(id="o", meta=TAGGED),
        encounter("Patient/p", id="e", participant=[{"individual": {"reference": "Practitioner/d"}}]),
        observation("Patient/p", id="a", encounter={"reference": "Encounter/e"}, performer=performer, meta=TAGGED),
        observation("Patient/q", id="b", performer=[{"reference": "Patient/p"}], device={"reference": "Device/d"}),
        observation("Patient/q", id="c", code={"coding": [{"code": "x"}]}, performer=relative),
        condition("Patient/q", id="n", asserter={"reference": "Patient/p"}),
        {**DEVICE},
    )


@pytest.mark.spec("FHIR R4 compartmentdefinition.html")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Patient/p/Observation", "a b"),
        ("Patient/p/Observation?code=8867-4", "a b"),
        ("Patient/p/Observation?code=8867-4&_sort=_id", "a b"),
        ("Patient/p/Observation?subject=Patient/q", "b"),
        ("Patient/p/Observation?patient.gender=female&_sort=-_lastUpdated", "a b"),
        ("Patient/q/Observation?code=x", "c"),
        ("Patient/p/Patient", "p"),
        ("Patient/p/Condition", "n"),
        ("Patient/p/*", "a b d e n p"),
        ("Patient/p/*?_type=Observation,Condition", "a b n"),
        ("Patient/p/*?_type=Organization", ""),
        ("Patient/nobody/*", ""),
        ("Patient/a_b/*", ""),
        ("Practitioner/d/*", "a d e q"),
        ("Practitioner/d/Observation?code=8867-4", "a"),
        ("Encounter/e/*", "a e"),
        ("Encounter/e/Observation?_sort=-date", "a"),
        ("Device/d/Observation", "b"),
        ("RelatedPerson/r/Observation", "c"),
    ],
)
def test_a_compartment_holds_what_its_definition_links_to_it(clinic: Clinic, address: str, expected: str) -> None:
    """One type of it or all, narrowed by parameters, in any order; each resource once."""
    _world(clinic)
    assert sorted(clinic.ids(address)) == expected.split()
    joined = f"{address}{'&' if '?' in address else '?'}"
    assert sorted(clinic.ids(f"{joined}_count=1")) == expected.split()
    assert clinic.page(f"{joined}_summary=count").total == len(expected.split())


@pytest.mark.parametrize(
    "address", ["Foo/1/Observation", "Group/1/Observation", "Patient/p/Foo", "Patient/p/Medication"]
)
def test_what_is_no_compartment_or_never_in_one_is_not_found(clinic: Clinic, address: str) -> None:
    """Unknown types, types without a compartment, and types that the definition leaves out."""
    with pytest.raises(HealixError) as refusal:
        clinic.page(address)
    assert refusal.value.category is Category.NOT_FOUND


@pytest.mark.spec("FHIR R4 http.html#search")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("?_type=Patient,Observation", "a b c p q"),
        ("?_type=Observation&code=8867-4", "a b"),
        ("?_type=Observation,Condition&patient=q", "b c n"),
        ("?_type=Observation,Condition&subject:Patient._id=p", "a"),
        ("?_type=Observation,Condition&code:not=x", "a b n"),
        ("?_id=d", "d d"),
        ("?_id=a,p,q,zzz&_sort=-_id", "a p q"),
        ("?_tag=x", "a o"),
        ("?_tag=http://t.test|x&_type=Organization", "o"),
        ("?_tag:not=x&_type=Organization,Observation", "b c"),
        ("?_lastUpdated=gt2000&_id=a,b&_sort=_lastUpdated", "a b"),
        ("?_lastUpdated=lt2000", ""),
    ],
)
def test_a_search_of_all_types_takes_what_the_types_have_in_common(clinic: Clinic, address: str, expected: str) -> None:
    """Parameters of every resource, and of the types named by `_type`."""
    _world(clinic)
    assert sorted(clinic.ids(address)) == expected.split()
    assert sorted(clinic.ids(f"{address}&_count=1")) == expected.split()
    assert clinic.page(f"{address}&_total=accurate").total == len(expected.split())


def test_a_search_of_several_types_comes_newest_first(clinic: Clinic) -> None:
    """By the last change; unknown parameters are reported."""
    clinic.put(patient(id="p"))
    clinic.put(observation(id="o"))
    assert clinic.ids("?_type=Observation,Patient") == ["o", "p"]
    assert clinic.ids("?_type=Observation,Patient&_sort=_lastUpdated") == ["p", "o"]
    assert [issue.code for issue in clinic.page("?_type=Observation,Patient&family=x").ignored] == ["not-supported"]


def test_a_search_of_many_types_shows_each_type_within_its_own_scope(clinic: Clinic) -> None:
    """Types without a scope are as good as empty; with none at all the search is refused."""
    _world(clinic)
    clinic.run(
        "INSERT INTO care_relationship (practitioner, pat, source)"
        " SELECT 'd', pat, 's' FROM patient_key WHERE id IN ('p', 'q')"
    )
    for scope, owner, expected in (
        ("system/Organization.rs system/Condition.s", {}, "n o"),
        ("patient/*.rs", {"patient": "p"}, "a b d d e n o p"),
        ("patient/Observation.s user/Patient.s", {"patient": "p", "practitioner": "d"}, "a b p q"),
        ("patient/*.rs", {}, "d o"),
    ):
        access = clinic.access(scope, **owner)
        assert sorted(clinic.ids("?_count=3", access)) == expected.split(), scope
        assert clinic.page("?_summary=count", access).total == len(expected.split())
        assert clinic.ids("Patient/q/*", access) == [
            id_ for id_ in clinic.ids("Patient/q/*") if id_ in expected.split()
        ]
    with pytest.raises(HealixError) as refusal:
        clinic.page("", clinic.access("system/*.r"))
    assert refusal.value.category is Category.FORBIDDEN
