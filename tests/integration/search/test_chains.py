"""Chains and reverse chains over stored resources: what matches, for whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.resources import encounter, observation, organization, patient, practitioner
from tests.support.search import BASE, Clinic


def _to(reference: str) -> dict[str, str]:
    return {"reference": reference}


GROUP = {
    "resourceType": "Group",
    "id": "g",
    "type": "person",
    "actual": True,
    "member": [{"entity": _to("Patient/bob")}],
}


def _world(clinic: Clinic) -> None:
    clinic.put(
        organization(id="lake", name="Clinic at the Lake"),
        organization(id="hill", name="Clinic on the Hill", partOf=_to("Organization/lake")),
        practitioner(id="blackwell"),
        patient(
            id="ada",
            managingOrganization=_to("Organization/hill"),
            generalPractitioner=[_to("Practitioner/blackwell")],
        ),
        patient(id="bob", name=[{"family": "Smith"}], managingOrganization=_to("Organization/lake"), gender="male"),
        encounter("Patient/ada", id="e"),
        observation("Patient/ada", id="a", encounter=_to("Encounter/e")),
        observation(f"{BASE}/Patient/bob", id="b", code={"coding": [{"code": "x"}]}),
        observation("http://else.test/fhir/Patient/ada", id="c"),
        GROUP,
    )


@pytest.mark.spec("FHIR R4 search.html#chaining")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Observation?subject:Patient.family=byron", "a"),
        ("Observation?subject.family=smith", "b"),
        ("Observation?patient.family:exact=Byron", "a"),
        ("Observation?patient.name:contains=yro", "a"),
        ("Observation?patient.family=byron,smith", "a b"),
        ("Observation?patient.organization.name=clinic at", "b"),
        ("Observation?patient.organization.partof.name=clinic at", "a"),
        ("Observation?patient.organization:Organization.partof:missing=true", "b"),
        ("Observation?patient.general-practitioner:Practitioner.name:contains=well", "a"),
        ("Observation?encounter.subject:Patient.gender=female", "a"),
        ("Observation?patient._id=bob", "b"),
        ("Observation?patient.gender:not=male", "a"),
        ("Observation?patient.family=byron&patient.gender=male", ""),
        ("Observation?subject.name=nobody", ""),
    ],
)
def test_chains_follow_local_references(clinic: Clinic, address: str, expected: str) -> None:
    """With and without types, of any depth, with modifiers and lists at the end."""
    _world(clinic)
    assert sorted(clinic.ids(address)) == expected.split()
    assert clinic.page(f"{address}&_summary=count").total == len(expected.split())


@pytest.mark.spec("FHIR R4 search.html#has")
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Patient?_has:Observation:patient:code=x", "bob"),
        ("Patient?_has:Observation:subject:code=8867-4", "ada"),
        ("Patient?_has:Observation:patient:code=x,8867-4", "ada bob"),
        ("Patient?_has:Group:member:_id=g", "bob"),
        ("Patient?_has:Encounter:patient:_has:Observation:encounter:code=8867-4", "ada"),
        ("Patient?_has:Observation:patient:encounter.status=finished", "ada"),
        ("Organization?_has:Patient:organization:_has:Observation:patient:code=x", "lake"),
        ("Observation?patient._has:Group:member:type=person", "b"),
        ("Practitioner?_has:Patient:general-practitioner:family=byron", "blackwell"),
        ("Organization?_has:Organization:partof:name=clinic on", "lake"),
        ("Patient?_has:Group:member:_id=other", ""),
    ],
)
def test_reverse_chains_find_what_is_referred_to(clinic: Clinic, address: str, expected: str) -> None:
    """Nested, with chains inside, and inside chains."""
    _world(clinic)
    assert sorted(clinic.ids(address)) == expected.split()
    assert clinic.page(f"{address}&_summary=count").total == len(expected.split())


def test_a_deleted_resource_is_no_link(clinic: Clinic) -> None:
    """Neither a chain nor a reverse chain passes through what is gone."""
    _world(clinic)
    clinic.delete("Organization", "lake")
    clinic.delete("Group", "g")
    assert clinic.ids("Observation?patient.organization.name=clinic at") == []
    assert clinic.ids("Patient?_has:Group:member:type=person") == []


def test_a_chain_through_what_the_caller_may_not_see_does_not_match(clinic: Clinic) -> None:
    """Without permission to search the linked type, or out of the patient's compartment, a link leads nowhere."""
    _world(clinic)
    for scope in ("system/Observation.s", "system/Observation.s system/Patient.r"):
        assert clinic.ids("Observation?patient.family=byron", clinic.access(scope)) == []
    clinic.put(
        {"resourceType": "Communication", "id": "c", "status": "completed", "sender": _to("Patient/ada"),
         "recipient": [_to("Patient/bob")]},
    )  # fmt: skip
    bob = clinic.access("patient/*.rs", patient="bob")
    assert clinic.ids("Communication?recipient:Patient.family=smith", bob) == ["c"]
    assert clinic.ids("Communication?sender:Patient.family=byron", bob) == []
    assert clinic.ids("Organization?_has:Patient:organization:family=byron", bob) == []
    assert clinic.ids("Organization?_has:Patient:organization:family=smith", bob) == ["lake"]


def _plan(id_: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "PlanDefinition", "id": id_, "status": "active", **elements}


def _request(id_: str, canonical: str) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "id": id_,
        "status": "active",
        "intent": "order",
        "subject": _to("Patient/p"),
        "instantiatesCanonical": [canonical],
    }


@pytest.mark.spec("FHIR R4 references.html#canonical")
def test_canonical_references_are_followed_with_their_version(clinic: Clinic) -> None:
    """A reference with a version meets that version only; one without meets each."""
    clinic.put(
        _plan("one", url="http://p.test/plan", version="1", title="First"),
        _plan("two", url="http://p.test/plan", version="2", title="Second"),
        _request("any", "http://p.test/plan"),
        _request("second", "http://p.test/plan|2"),
        _request("none", "http://p.test/plan|3"),
    )
    chain = "ServiceRequest?instantiates-canonical:PlanDefinition.title="
    assert sorted(clinic.ids(f"{chain}first")) == ["any"]
    assert sorted(clinic.ids(f"{chain}second")) == ["any", "second"]
    has = "PlanDefinition?_has:ServiceRequest:instantiates-canonical:_id="
    assert sorted(clinic.ids(f"{has}any")) == ["one", "two"]
    assert clinic.ids(f"{has}second") == ["two"]
    assert clinic.ids(f"{has}none") == []
