"""$everything: what belongs to a patient, an encounter, a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM, Pool, of_patient, put, serve, with_scope
from tests.support.operation import run
from tests.support.resources import condition, encounter, observation, organization, patient, practitioner

Found = Callable[..., list[str]]


def resources() -> list[dict[str, Any]]:
    """Two patients, one of them with an encounter, and what surrounds them."""
    by = [{"reference": "Practitioner/d"}]
    return [
        organization(id="o"),
        organization(id="unrelated"),
        practitioner(id="d"),
        {"resourceType": "Medication", "id": "m"},
        patient(id="p", managingOrganization={"reference": "Organization/o"}),
        patient(id="q"),
        encounter("Patient/p", id="e"),
        observation("Patient/p", id="a", encounter={"reference": "Encounter/e"}, performer=by),
        observation("Patient/p", id="old", effectiveDateTime="2020-05-06", encounter={"reference": "Encounter/x"}),
        condition("Patient/p", id="c"),
        {
            "resourceType": "MedicationRequest",
            "id": "r",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/p"},
            "medicationReference": {"reference": "Medication/m"},
        },
        observation("Patient/q", id="of-q"),
        observation("Patient/p", id="about-q", focus=[{"reference": "Patient/q"}], effectiveDateTime="2020-01-01"),
        {
            "resourceType": "Group",
            "id": "g",
            "type": "person",
            "actual": True,
            "member": [
                {"entity": {"reference": "Patient/p"}},
                {"entity": {"reference": "Patient/q"}},
                {"entity": {"reference": "Patient/gone"}},
            ],
        },
    ]


@pytest.fixture
def find(pool: Pool, database_url: str) -> Found:
    """What $everything finds: ids, in order, of all pages."""
    for one in resources():
        put(pool, one, one["id"])

    def found(type_name: str, id_: str | None, *params: tuple[str, str], access: AccessContext = SYSTEM) -> list[str]:
        async def pages(server: Interactions) -> list[str]:
            ids, query = [], list(params)
            while True:
                call = Invocation(tuple(query), b"", type_name, id_, method="GET")
                page = decode(await run("everything", server, access, call))
                assert page["type"] == "searchset"
                ids += [entry["resource"]["id"] for entry in page.get("entry", ())]
                links = {link["relation"]: link["url"] for link in page["link"]}
                if "next" not in links:
                    return ids
                query = [*params, ("_cursor", links["next"].rpartition("_cursor=")[2])]

        return serve(database_url, pages)

    return found


RECORD = ["p", "e", "a", "old", "c", "r", "about-q", "g"]


@pytest.mark.spec("FHIR R4 patient-operation-everything.html")
@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ([], [*RECORD, "o", "d", "m"]),
        ([("_count", "1")], [*RECORD, "o", "d", "m"]),
        ([("_count", "4")], [*RECORD, "o", "d", "m"]),
        ([("_type", "Observation")], ["a", "old", "about-q"]),
        ([("_type", "Observation,Medication")], ["a", "old", "about-q", "m"]),
        ([("_type", "Observation"), ("_type", "Practitioner"), ("_count", "2")], ["a", "old", "about-q", "d"]),
        ([("start", "2021")], ["p", "e", "a", "c", "r", "g", "o", "d", "m"]),
        ([("start", "2020-05"), ("end", "2020-05-06")], ["p", "old", "r", "g", "o", "m"]),
        ([("end", "2019")], ["p", "r", "g", "o", "m"]),
        ([("_since", "2050-01-01T00:00:00Z")], []),
        ([("_since", "2020-01-01T00:00:00Z")], [*RECORD, "o", "d", "m"]),
    ],
)
def test_a_patient_with_all_that_belongs_to_it(find: Found, params: list[tuple[str, str]], expected: list[str]) -> None:
    """The patient, its compartment, what that refers to and nothing of others; each once, whatever the page."""
    assert find("Patient", "p", *params) == expected


@pytest.mark.spec("FHIR R4 encounter-operation-everything.html")
def test_an_encounter(find: Found) -> None:
    """The encounter, what is linked to it, and what that refers to: its patient too."""
    assert find("Encounter", "e") == ["e", "a", "d", "p"]
    assert find("Encounter", "e", ("_count", "2"), ("_type", "Observation,Patient")) == ["a", "p"]


@pytest.mark.spec("FHIR R4 group-operation-everything.html")
def test_the_patients_of_a_group_and_all_patients(find: Found, pool: Pool) -> None:
    """Each patient has its own pages; those a caller does not see are passed over."""
    both = [*RECORD, "o", "d", "m", "q", "of-q", "g"]
    assert find("Group", "g") == both
    assert find("Patient", None) == both
    assert find("Patient", None, ("_count", "3"), ("_type", "Observation")) == ["a", "old", "about-q", "of-q"]
    assert find("Patient", None, access=of_patient(pool, "q")) == ["q", "of-q", "g"]


def test_what_a_caller_may_not_see_is_not_there(find: Found, pool: Pool) -> None:
    """Another patient is not found; types without a scope are left out, and what only they refer to."""
    for id_ in ("p", "none"):
        with pytest.raises(HealixError) as refused:
            find("Patient", id_, access=of_patient(pool, "q"))
        assert refused.value.category is Category.NOT_FOUND
    some = with_scope("system/Patient.rs system/Observation.rs system/Practitioner.rs system/Medication.rs")
    assert find("Patient", "p", access=some) == ["p", "a", "old", "about-q", "d"]
    with pytest.raises(HealixError) as refused:
        find("Patient", None, access=with_scope("system/Observation.rs"))
    assert refused.value.category is Category.FORBIDDEN


@pytest.mark.parametrize(
    ("params", "category"),
    [
        ([("_offset", "3")], Category.UNSUPPORTED),
        ([("_type", "Spaceship")], Category.INVALID),
        ([("_count", "0")], Category.INVALID),
        ([("start", "soon")], Category.INVALID),
        ([("_since", "2020")], Category.INVALID),
        ([("code", "x")], Category.INVALID),
        ([("_cursor", "abc")], Category.INVALID),
    ],
)
def test_refusals(find: Found, params: list[tuple[str, str]], category: Category) -> None:
    """What cannot be read is refused and named."""
    with pytest.raises(HealixError) as refused:
        find("Patient", "p", *params)
    assert refused.value.category is category
    assert params[0][0] in refused.value.message
