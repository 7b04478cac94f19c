"""`_filter` and `_list` over stored resources."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.support.resources import observation, organization, patient
from tests.support.search import Clinic


def _world(clinic: Clinic) -> None:
    def ref(place: str) -> dict[str, str]:
        return {"reference": place}

    january = observation("Patient/p", id="a", effectivePeriod={"start": "2024-01-01", "end": "2024-02-01"})
    del january["effectiveDateTime"]
    clinic.put(
        organization(id="lake"),
        patient(
            id="p", name=[{"family": "Petersen", "given": ["Peter", "Ann"]}], birthDate="1980-05-06", gender="male"
        ),
        patient(id="q", name=[{"family": "Carpet"}], birthDate="1990", managingOrganization=ref("Organization/lake")),
        patient(id="r", name=[{"family": "Pet"}]),
        january,
        observation("Patient/q", id="b", code={"coding": [{"system": "http://l.test", "code": "x"}]}),
        {
            "resourceType": "List", "id": "l", "status": "current", "mode": "working",
            "entry": [{"item": ref("Patient/p")}, {"item": ref("Observation/b")}],
        },
        {
            "resourceType": "List", "id": "m", "status": "current", "mode": "working",
            "entry": [{"item": ref("Patient/r")}],
        },
    )  # fmt: skip


@pytest.mark.spec("FHIR R4 search_filter.html")
@pytest.mark.parametrize(
    ("type_name", "text", "expected"),
    [
        ("Patient", 'family eq "pet"', "r"),
        ("Patient", 'family ne "pet"', "p q"),
        ("Patient", 'family co "PET"', "p q r"),
        ("Patient", "family sw pet", "p r"),
        ("Patient", "family ew pet", "q r"),
        ("Patient", "given eq peter and birthdate ge 1980-01-01", "p"),
        ("Patient", "given eq ann or family ew pet and birthdate lt 2000", "p q r"),
        ("Patient", "given eq ann or (family ew pet and birthdate gt 1985)", "p q"),
        ("Patient", "not (family ew pet)", "p"),
        ("Patient", "birthdate ap 1980-05", "p"),
        ("Patient", "birthdate eb 1985", "p r"),
        ("Patient", "birthdate sa 1985", "q"),
        ("Patient", "gender eq male", "p"),
        ("Patient", "gender ne male", "q r"),
        ("Patient", "given pr true and organization pr false", "p"),
        ("Patient", "organization re Organization/lake", "q"),
        ("Patient", 'organization.name sw "clinic at"', "q"),
        ("Observation", 'subject.name co "eter"', "a"),
        ("Observation", 'patient[birthdate lt 1985].family co "pet"', "a"),
        ("Observation", 'patient[birthdate lt 1985].family co "carpet"', ""),
        ("Observation", "patient[gender eq male or organization.name sw clinic].birthdate gt 1985", "b"),
        ("Observation", "code eq http://l.test|x", "b"),
        ("Observation", "date po 2024-01-15", "a"),
        ("Observation", "date po 2024-02", "a"),
        ("Observation", "date po 2024-03", ""),
        ("Observation", "_id eq a and _lastUpdated gt 2000", "a"),
    ],
)
def test_filters_find_what_they_say(clinic: Clinic, type_name: str, text: str, expected: str) -> None:
    """Every operator on the parameters that it compares, in every combination."""
    _world(clinic)
    address = f"{type_name}?{urlencode({'_filter': text})}"
    assert sorted(clinic.ids(address)) == expected.split()
    assert clinic.page(f"{address}&_summary=count").total == len(expected.split())


def test_a_filter_joins_other_parameters_and_stays_in_sight(clinic: Clinic) -> None:
    """It narrows a search like any parameter; a path through what is not visible does not match."""
    _world(clinic)
    assert clinic.ids("Patient?family=pet&_filter=given+eq+ann") == ["p"]
    assert sorted(clinic.ids("?_type=Patient,Observation&_filter=_id+eq+a+or+_id+eq+q")) == ["a", "q"]
    text = urlencode({"_filter": 'subject.name co "eter"'})
    assert clinic.ids(f"Observation?{text}", clinic.access("system/Observation.rs")) == []


@pytest.mark.spec("FHIR R4 search.html#list")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Patient?_list=l", "p"),
        ("Patient?_list=List/l", "p"),
        ("Patient?_list=l,m", "p r"),
        ("Patient?_list=none", ""),
        ("Observation?_list=l&code=x", "b"),
        ("?_list=l", "b p"),
    ],
)
def test_a_list_gives_its_items(clinic: Clinic, address: str, expected: str) -> None:
    """The items of a List, of the type searched for; a List out of sight is as good as none."""
    _world(clinic)
    assert sorted(clinic.ids(address)) == expected.split()
    assert clinic.ids(address, clinic.access("system/Patient.rs system/Observation.rs system/List.r")) == []
