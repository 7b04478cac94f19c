"""`_contained` and `_containedType`: contained resources as matches, for their container or for themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from tests.support.resources import patient
from tests.support.search import Clinic, ask

pytestmark = pytest.mark.spec("FHIR R4 search.html#contained")

CODES = "http://example.org/medications"


def medication(id_: str, ingredient: str, **elements: Any) -> dict[str, Any]:
    """A Medication with an ingredient."""
    concept = {"coding": [{"system": CODES, "code": ingredient}]}
    return {"resourceType": "Medication", "id": id_, "ingredient": [{"itemCodeableConcept": concept}], **elements}


def request(id_: str, subject: str, *contained: dict[str, Any]) -> dict[str, Any]:
    """A MedicationRequest that contains what it refers to."""
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "contained": list(contained),
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": f"#{contained[0]['id']}"},
        "subject": {"reference": f"Patient/{subject}"},
    }


def _fill(clinic: Clinic) -> None:
    clinic.put(
        patient(id="p"),
        patient(id="q"),
        medication("m", "abc"),
        request("23", "p", medication("m1", "abc", identifier=[{"value": "x"}]), medication("m2", "abc")),
        request("24", "q", medication("m1", "abc", code={"text": "mixture"}), medication("m3", "def")),
        request("25", "q", medication("m1", "def", batch={"expirationDate": "2024-05-06"})),
    )


def addresses(clinic: Clinic, address: str, *who: Any) -> list[str]:
    """The matches on all pages, by type and id; of contained ones by container and fragment."""
    return [f"{hit.type}/{hit.id}" for page in clinic.pages(address, *who) for hit in page.entries]


CONTAINERS = {
    "ingredient-code=abc": "23 24",
    f"ingredient-code={CODES}|abc": "23 24",
    "ingredient-code=abc&identifier=x": "23",
    "ingredient-code=def&identifier=x": "",
    "ingredient-code=abc,def": "23 24 25",
    "ingredient-code:not=abc": "24 25",
    "identifier:missing=false": "23",
    "expiration-date=2024-05": "25",
    "code:text=mix": "24",
    "_id=m2": "23",
    "_content=mixture": "24",
    "_filter=ingredient-code eq abc and not (identifier pr true)": "23 24",
    "_lastUpdated=gt2000": "",
    "_has:MedicationRequest:medication:status=active": "",
}


@pytest.mark.parametrize(("query", "expected"), CONTAINERS.items())
@pytest.mark.parametrize("count", ["", "&_count=1", "&_sort=_id"])
def test_the_container_stands_for_what_it_contains(clinic: Clinic, query: str, expected: str, count: str) -> None:
    """All conditions hold of one contained resource; a container comes once, however many of its resources match."""
    _fill(clinic)
    found = addresses(clinic, f"Medication?{query}&_contained=true{count}")
    assert sorted(found) == [f"MedicationRequest/{id_}" for id_ in expected.split()]
    total = clinic.page(f"Medication?{query}&_contained=true&_total=accurate&_count=1").total
    assert total == len(expected.split())


def test_contained_resources_are_searched_only_when_asked_for(clinic: Clinic) -> None:
    """By default, and with `false`, no condition meets them; `both` finds them and all others."""
    _fill(clinic)
    for extra in ("", "&_contained=false", "&_contained=false&_containedType=contained"):
        assert addresses(clinic, f"Medication?ingredient-code=abc{extra}") == ["Medication/m"]
    for count in ("", "&_count=1"):
        found = addresses(clinic, f"Medication?ingredient-code=abc&_contained=both&_sort=_id{count}")
        assert found == ["MedicationRequest/23", "MedicationRequest/24", "Medication/m"]
    assert addresses(clinic, "Medication?_id=m1") == []


@pytest.mark.parametrize("count", ["", "&_count=1", "&_count=2"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("_contained=true&ingredient-code=abc&_sort=_id", "23#m1 24#m1 23#m2"),
        ("_contained=true&ingredient-code=abc&_sort=-identifier,_id", "23#m1 24#m1 23#m2"),
        ("_contained=true&_sort=expiration-date,_id", "25#m1 23#m1 24#m1 23#m2 24#m3"),
        ("_contained=true&_sort=-ingredient-code,_id", "25#m1 24#m3 24#m1 23#m1 23#m2"),
        ("_contained=both&ingredient-code=abc&_sort=_id", "m 23#m1 24#m1 23#m2"),
        ("_contained=both&ingredient-code=abc&_sort=identifier,_id", "23#m1 m 24#m1 23#m2"),
    ],
)
def test_contained_resources_come_by_themselves(clinic: Clinic, query: str, expected: str, count: str) -> None:
    """In any order and on any page, under the address of the container with a fragment."""
    _fill(clinic)
    page = clinic.page(f"Medication?{query}&_containedType=contained&_total=accurate{count}")
    assert page.total == len(expected.split())
    found = [
        hit for page in clinic.pages(f"Medication?{query}&_containedType=contained{count}") for hit in page.entries
    ]
    assert [hit.id for hit in found] == expected.split()
    for hit in found:
        _, mark, fragment = hit.id.partition("#")
        assert hit.type == ("MedicationRequest" if mark else "Medication")
        assert (decode(hit.body)["resourceType"], decode(hit.body)["id"]) == ("Medication", fragment or hit.id)


@pytest.mark.parametrize("returned", ["container", "contained"])
def test_what_is_contained_is_seen_by_whoever_sees_the_container(clinic: Clinic, returned: str) -> None:
    """A Medication of its own is open to all, one in another patient's record is not there."""
    _fill(clinic)
    address = f"Medication?ingredient-code=abc&_contained=both&_containedType={returned}&_sort=_id"
    own = clinic.access("patient/*.rs", patient="p")
    expected = ["MedicationRequest/23#m1", "MedicationRequest/23#m2"] if returned == "contained" else None
    assert sorted(addresses(clinic, address, own)) == sorted([*(expected or ["MedicationRequest/23"]), "Medication/m"])
    assert clinic.page(f"{address}&_total=accurate", own).total == len(expected or [1]) + 1
    medications = clinic.access("patient/Medication.rs", patient="p")
    assert addresses(clinic, address, medications) == ["Medication/m"]
    with pytest.raises(HealixError) as refusal:
        clinic.page(address, clinic.access("patient/Observation.rs", patient="p"))
    assert refusal.value.category is Category.FORBIDDEN


def test_contained_resources_follow_the_version_of_their_container(clinic: Clinic) -> None:
    """What is no longer contained is no longer found; nothing of it stays in the index."""
    _fill(clinic)
    address = "Medication?ingredient-code=abc&_contained=true&_sort=_id"
    pages = clinic.pages(f"{address}&_containedType=contained&_count=1")
    assert next(pages).entries[0].id == "23#m1"
    clinic.put(request("24", "q", medication("m1", "abc", amount={"numerator": {"value": Decimal("1.50")}})))
    assert [hit.id for page in pages for hit in page.entries] == ["24#m1", "23#m2"]
    clinic.put(request("23", "p", medication("m1", "xyz")))
    assert addresses(clinic, address) == ["MedicationRequest/24"]
    (hit,) = clinic.page(f"{address}&_containedType=contained").entries
    assert b"1.50" in hit.body
    for id_ in ("23", "24", "25"):
        clinic.delete("MedicationRequest", id_)
    assert addresses(clinic, address) == []
    assert clinic.run("SELECT count(*) FROM index_contained") == [(0,)]
    assert clinic.run("SELECT count(*) FROM index_string WHERE param < 0") == [(0,)]
    assert clinic.run("SELECT count(*) FROM index_words w WHERE pk NOT IN (SELECT pk FROM resource)") == [(0,)]


def test_containers_of_several_types_and_their_includes(clinic: Clinic) -> None:
    """A container is whatever contains a match; includes start from it."""
    _fill(clinic)
    clinic.put(
        {
            "resourceType": "MedicationAdministration", "id": "a", "status": "completed",
            "contained": [medication("m1", "abc")], "medicationReference": {"reference": "#m1"},
            "subject": {"reference": "Patient/p"}, "effectiveDateTime": "2024",
        }
    )  # fmt: skip
    found = addresses(clinic, "?_type=Medication&ingredient-code=abc&_contained=true")
    assert sorted(found) == ["MedicationAdministration/a", "MedicationRequest/23", "MedicationRequest/24"]
    page = clinic.page("Medication?ingredient-code=def&_contained=true&_include=MedicationRequest:subject")
    assert [(hit.id, hit.mode) for hit in page.entries] == [("25", "match"), ("24", "match"), ("q", "include")]


@pytest.mark.parametrize(
    ("address", "category"),
    [
        ("Medication?_contained=maybe", Category.INVALID),
        ("Medication?_contained=true&_containedType=both", Category.INVALID),
        ("Medication?_contained:exact=true", Category.INVALID),
        ("Medication?_contained=true&_sort=code", Category.UNSUPPORTED),
        ("Patient/p/MedicationRequest?_contained=true", Category.UNSUPPORTED),
        ("Medication?_contained=true&_containedType=contained&_include=Medication:manufacturer", Category.UNSUPPORTED),
    ],
)
def test_what_has_no_meaning_is_refused(address: str, category: Category) -> None:
    """By name, whatever the handling."""
    with pytest.raises(HealixError, match=r"_contain|_sort|_include") as refusal:
        ask(address)
    assert refusal.value.category is category
