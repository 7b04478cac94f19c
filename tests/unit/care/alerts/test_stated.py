"""What a CarePlan states about alert rules."""

from __future__ import annotations

from healix_fhir.care.alerts.stated import own_plans
from healix_fhir.model.validate import check


def test_a_canonical_without_a_value_names_nothing() -> None:
    """An element of a list of primitives may have no value, but an extension that says why."""
    missing = {"extension": [{"url": "urn:x", "valueString": "unknown"}]}
    plan = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/p"},
        "instantiatesCanonical": [None, "http://x.test/gone"],
        "_instantiatesCanonical": [missing, None],
    }
    check(plan, "CarePlan")
    assert own_plans(plan, {}) == ["there is no PlanDefinition http://x.test/gone"]
