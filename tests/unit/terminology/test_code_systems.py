"""The systems that required bindings imply."""

from __future__ import annotations

import pytest

from healix_fhir.terminology.code_systems import implied_systems, system_of


@pytest.mark.parametrize(
    ("structure", "element", "code", "system"),
    [
        ("Patient", "gender", "female", "http://hl7.org/fhir/administrative-gender"),
        ("Observation", "status", "final", "http://hl7.org/fhir/observation-status"),
        ("Patient", "gender", "purple", None),
        ("Attachment", "contentType", "text/plain", None),
        ("Patient", "active", "true", None),
        ("Patient", "nothing", "x", None),
    ],
)
def test_a_bare_code_belongs_to_the_system_of_its_binding(
    structure: str, element: str, code: str, system: str | None
) -> None:
    """A required binding to listed codes implies the system; elsewhere nothing is guessed."""
    assert system_of(structure, element, code) == system


def test_no_binding_implies_nothing() -> None:
    """An element without required binding has no implied systems."""
    assert implied_systems("") == {}
    assert implied_systems("http://example.org/unknown") == {}
