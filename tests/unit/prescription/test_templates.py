"""Prefetch templates, and what becomes of what a service asks for."""

from __future__ import annotations

import pytest

from healix_fhir.operation.prescription.templates import filled

CONTEXT = {"userId": "Practitioner/d", "patientId": "p", "draftOrders": {"resourceType": "Bundle"}}


@pytest.mark.parametrize(
    ("template", "query"),
    [
        ("Patient/{{context.patientId}}", "Patient/p"),
        ("AllergyIntolerance?patient={{ context.patientId }}&x=1", "AllergyIntolerance?patient=p&x=1"),
        ("Practitioner/{{userPractitionerId}}", "Practitioner/d"),
        ("Patient/{{userPatientId}}", None),
        ("Encounter/{{context.encounterId}}", None),
        ("MedicationRequest?_id={{context.draftOrders.MedicationRequest.id}}", None),
        ("MedicationRequest?_id={{context.draftOrders}}", None),
        ("Patient/{{patientId}}", None),
        ("metadata", "metadata"),
        ("x" * 3000, None),
    ],
)
@pytest.mark.spec("CDS Hooks 2.0 prefetch-tokens")
def test_a_template_is_filled_or_left_out(template: str, query: str | None) -> None:
    """A token without a value leaves the whole query out; none is sent half filled."""
    assert filled({"it": template}, CONTEXT) == ({"it": query} if query is not None else {})
