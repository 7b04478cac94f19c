"""The systems that required bindings imply."""

from __future__ import annotations

import pytest

from healix_fhir.model.elements import elements
from healix_fhir.terminology.code_systems import implied_systems


@pytest.mark.parametrize(
    ("structure", "element", "code", "system"),
    [
        ("Patient", "gender", "female", "http://hl7.org/fhir/administrative-gender"),
        ("Observation", "status", "final", "http://hl7.org/fhir/observation-status"),
        ("Patient", "gender", "purple", None),
        ("Attachment", "contentType", "text/plain", None),
        ("Patient", "active", "true", None),
    ],
)
def test_a_bare_code_belongs_to_the_system_of_its_binding(
    structure: str, element: str, code: str, system: str | None
) -> None:
    """A required binding to listed codes implies the system; elsewhere nothing is guessed."""
    assert implied_systems(elements(structure)[element].binding).get(code) == system


def test_an_unknown_value_set_implies_nothing() -> None:
    """What is not among the distilled value sets has no implied systems."""
    assert implied_systems("http://example.org/unknown") == {}
