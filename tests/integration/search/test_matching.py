"""What each parameter type finds, over real index rows."""

from __future__ import annotations

import pytest

from tests.support.resources import observation, patient
from tests.support.search import BASE, Clinic

TYPE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def _people(clinic: Clinic) -> None:
    clinic.put(
        patient(
            id="muller",
            name=[{"family": "Müller-Lüdenscheidt", "given": ["Zoë"]}],
            gender="male",
            identifier=[{"system": "urn:a", "value": "1", "type": TYPE}],
            meta={"tag": [{"system": "urn:t", "code": "vip"}], "profile": ["http://p.test/one"]},
        ),
        patient(
            id="smith", name=[{"family": "Smith", "given": ["Ann"]}], identifier=[{"value": "1"}], birthDate="1970"
        ),
        patient(
            id="smithson",
            name=[{"family": "Smithson"}],
            identifier=[{"system": "urn:b", "value": "2"}],
            birthDate="1970-06-01",
            managingOrganization={"identifier": {"system": "urn:o", "value": "clinic"}},
        ),
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("family=smith", "smith smithson"),
        ("family:exact=Smith", "smith"),
        ("family:exact=smith", ""),
        ("family=MULLER", "muller"),
        ("family:contains=denscheidt", "muller"),
        ("name=zoe,ann", "muller smith"),
        ("given:missing=true", "smithson"),
        ("gender=male", "muller"),
        ("gender:not=male", "smith smithson"),
        ("identifier=1", "muller smith"),
        ("identifier=urn:a|1", "muller"),
        ("identifier=|1", "smith"),
        ("identifier=urn:b|", "smithson"),
        ("identifier=urn:b|,urn:a|1", "muller smithson"),
        ("identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|1", "muller"),
        ("_tag=urn:t|vip", "muller"),
        ("_profile=http://p.test/one", "muller"),
        ("birthdate=1970", "smith smithson"),
        ("birthdate=1970-06", "smithson"),
        ("birthdate=lt1900", "muller"),
        ("birthdate=gt1970-01-01&family=smith", "smith smithson"),
        ("organization:identifier=urn:o|clinic", "smithson"),
        ("_id=smith,muller,nobody", "muller smith"),
        ("_id=a/b", ""),
        ("_id:not=smith", "muller smithson"),
        ("_lastUpdated=gt2020&gender=male", "muller"),
        ("_lastUpdated=lt2020", ""),
        ("family=smith&family=smithson", "smithson"),
        ("family=100%25", ""),
    ],
)
def test_patients_are_found(clinic: Clinic, query: str, expected: str) -> None:
    """Strings, tokens, uris, dates, references and ids, alone, as alternatives and together."""
    _people(clinic)
    assert sorted(clinic.ids(f"Patient?{query}")) == expected.split()


def test_a_changed_or_deleted_resource_is_found_as_it_is_now(clinic: Clinic) -> None:
    """Index rows follow the current version; a deleted resource is in no answer and no total."""
    _people(clinic)
    clinic.put(patient(id="smith", name=[{"family": "Jones"}]))
    clinic.delete("Patient", "smithson")
    assert clinic.ids("Patient?family=smith") == []
    assert clinic.ids("Patient?family=jones") == ["smith"]
    assert clinic.page("Patient?_summary=count").total == 2


def test_references_find_local_absolute_and_foreign_targets(clinic: Clinic) -> None:
    """An absolute reference to this server is the same as a relative one; one to another server is its whole URL."""
    foreign = "http://else.test/fhir/Patient/p"
    clinic.put(
        observation("Patient/p", id="relative"),
        observation(f"{BASE}/Patient/p", id="absolute"),
        observation(foreign, id="foreign"),
    )
    for query in ("subject=Patient/p", "patient=p", f"subject={BASE}/Patient/p", "subject=p"):
        assert sorted(clinic.ids(f"Observation?{query}")) == ["absolute", "relative"]
    assert clinic.ids(f"Observation?subject={foreign}") == ["foreign"]


def test_many_alternatives_are_found_as_few_are(clinic: Clinic) -> None:
    """Beyond the arms that are read one by one, alternatives of tokens and references give the same answer."""
    clinic.put(*(observation(f"Patient/p{n}", id=f"o{n}", code={"coding": [{"code": f"c{n}"}]}) for n in range(12)))
    names = [f"o{n}" for n in range(12)]
    assert sorted(clinic.ids("Observation?_count=5&code=" + ",".join(f"c{n}" for n in range(12)))) == sorted(names)
    assert sorted(clinic.ids("Observation?_count=5&subject=" + ",".join(f"Patient/p{n}" for n in range(12)))) == sorted(
        names
    )
