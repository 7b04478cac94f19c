"""Whose record a resource is in: access depends on it."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.model.definitions import PATIENT_COMPARTMENT
from healix_fhir.model.fhirpath.path import compile_branches
from healix_fhir.search.compartments import links
from healix_fhir.search.extract import extract

BASE = "https://healix.example/fhir"
P, Q, R = ({"reference": f"Patient/{id_}"} for id_ in "pqr")
DR = {"reference": "Practitioner/d"}


@pytest.mark.spec("FHIR R4 compartmentdefinition-patient.html")
@pytest.mark.parametrize(
    ("resource", "patients"),
    [
        ({"resourceType": "Patient", "id": "p", "link": [{"other": Q}]}, ("p",)),
        ({"resourceType": "Patient"}, ()),
        ({"resourceType": "Observation", "performer": [Q, DR, P], "subject": P}, ("p", "q")),
        ({"resourceType": "Observation", "performer": [Q]}, ("q",)),
        ({"resourceType": "Observation", "focus": [Q]}, ()),
        ({"resourceType": "Observation", "subject": {"reference": f"{BASE}/Patient/p/_history/1"}}, ("p",)),
        ({"resourceType": "Observation", "subject": {"reference": "https://other.example/Patient/p"}}, ()),
        ({"resourceType": "Observation", "subject": {"reference": "#p"}}, ()),
        ({"resourceType": "Observation", "subject": {"reference": "Group/p"}}, ()),
        ({"resourceType": "Observation", "subject": {"type": "Patient", "identifier": {"value": "p"}}}, ()),
        ({"resourceType": "Appointment", "participant": [{"actor": DR}, {"actor": Q}, {"actor": P}]}, ("q", "p")),
        ({"resourceType": "Coverage", "policyHolder": Q, "subscriber": R, "beneficiary": P}, ("p", "q", "r")),
        ({"resourceType": "Communication", "sender": Q, "recipient": [P, R], "subject": P}, ("p", "q", "r")),
        ({"resourceType": "AuditEvent", "agent": [{"who": Q}], "entity": [{"what": P}]}, ("q", "p")),
        ({"resourceType": "Group", "member": [{"entity": P}, {"entity": Q}]}, ("p", "q")),
        ({"resourceType": "Device", "patient": P}, ("p",)),
        ({"resourceType": "Task", "for": P, "owner": Q}, ("p",)),
        ({"resourceType": "Binary", "securityContext": P}, ("p",)),
        ({"resourceType": "Binary", "securityContext": {"reference": "Encounter/e"}}, ()),
        ({"resourceType": "Practitioner", "id": "p"}, ()),
    ],
)
def test_patients(resource: dict[str, Any], patients: tuple[str, ...]) -> None:
    """A resource is in the record of every local patient that its type's linking parameters name, its subject first."""
    assert extract(resource, resource["resourceType"], (BASE,)).patients == patients


@pytest.mark.parametrize("type_name", sorted(PATIENT_COMPARTMENT.keys() - {"Patient"}))
def test_every_link_is_a_reference(type_name: str) -> None:
    """Each linking parameter of each type reaches References, so that no type is silently in no compartment."""
    found = links(type_name)
    assert len(found) == len(PATIENT_COMPARTMENT[type_name])
    for expression, _ in found:
        assert {branch.type for branch in compile_branches(expression, type_name)} == {"Reference"}
