"""What a literal reference may look like, and what contained resources must obey."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import resources
from tests.unit.model.test_validate import found

UUID = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"

GOOD = [
    "Patient/1",
    "Patient/1/_history/2",
    "http://example.org/fhir/Patient/1",
    "https://example.org/fhir/Patient/1/_history/2",
    "https://example.org/anything",
    "https://example.org/Widget/1",
    UUID,
    UUID.upper().replace("URN:UUID", "urn:uuid"),
    "urn:oid:1.2.3",
]
BAD = [
    "Practitioner/1",
    "http://example.org/fhir/Practitioner/1",
    "Widget/1",
    "Patient",
    "Patient/",
    "Patient/a b",
    "1",
    "Encounter?identifier=x",
    "urn:uuid:123",
    "urn:oid:9.x",
]


@pytest.mark.spec("FHIR R4 references.html#literal")
@pytest.mark.parametrize("text", GOOD)
def test_good_reference(text: str) -> None:
    """Relative and absolute addresses of the right type, other URLs, UUIDs and OIDs."""
    assert found(resources.encounter(text)) == set()


@pytest.mark.spec("FHIR R4 references.html#literal")
@pytest.mark.parametrize("text", BAD)
def test_bad_reference(text: str) -> None:
    """Wrong types, unknown types and what is no address at all."""
    assert found(resources.observation(encounter={"reference": text})) == {("value", "Observation.encounter.reference")}
    assert not found(resources.observation(encounter={"reference": "Encounter/1"}))


def test_conditional_reference_in_a_bundle() -> None:
    """`Type?query` stands in bundles, and its type is checked there too."""
    good = resources.transaction(resources.encounter("Patient?identifier=x|y"))
    assert found(good) == set()
    wrong = resources.transaction(resources.encounter("Practitioner?identifier=x"))
    assert found(wrong) == {("value", "Bundle.entry[0].resource.subject.reference")}


@pytest.mark.parametrize(
    ("subject", "issues"),
    [
        ({"type": "Patient", "identifier": {"value": "1"}}, set()),
        ({"type": "Practitioner", "display": "x"}, {("value", "Encounter.subject.type")}),
        ({"type": "Widget", "display": "x"}, {("value", "Encounter.subject.type")}),
        ({"type": "Group", "reference": "Patient/1"}, {("value", "Encounter.subject.type")}),
        ({"type": "Group", "reference": UUID}, set()),
        ({"display": "somebody"}, set()),
        ({"reference": ""}, {("value", "Encounter.subject.reference")}),
        ({"reference": 5}, {("structure", "Encounter.subject.reference")}),
    ],
)
def test_declared_type(subject: dict[str, Any], issues: set[tuple[str, str]]) -> None:
    """Reference.type names an allowed type and agrees with the literal reference."""
    assert found({**resources.encounter(), "subject": subject}) == issues


def contained(*inner: Any, reference: str = "#p", **elements: Any) -> dict[str, Any]:
    """An encounter with contained resources."""
    return resources.encounter(reference, contained=list(inner), **elements)


PATIENT = {"resourceType": "Patient", "id": "p"}
OBSERVATION = {"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}}
INSIDE = "Encounter.contained[0]"

CONTAINED_CASES: list[tuple[dict[str, Any], set[tuple[str, str]]]] = [
    (contained(PATIENT), set()),
    (contained(PATIENT, reference="#q"), {("invariant", "Encounter.subject.reference"), ("invariant", INSIDE)}),
    (contained({"resourceType": "Practitioner", "id": "p"}), {("value", "Encounter.subject.reference")}),
    (contained(PATIENT, reference="Patient/p"), {("invariant", INSIDE)}),
    (contained({**PATIENT, "contained": [{**PATIENT, "id": "q"}]}), {("invariant", f"{INSIDE}.contained")}),
    (contained({**PATIENT, "meta": {"versionId": "1"}}), {("invariant", f"{INSIDE}.meta.versionId")}),
    (
        contained({**PATIENT, "meta": {"lastUpdated": "2024-01-01T00:00:00Z"}}),
        {("invariant", f"{INSIDE}.meta.lastUpdated")},
    ),
    (contained({**PATIENT, "meta": {"security": [{"code": "R"}]}}), {("invariant", f"{INSIDE}.meta.security")}),
    (contained({"resourceType": "Patient"}, reference="Patient/1"), {("required", f"{INSIDE}.id")}),
    (contained(PATIENT, PATIENT), {("invariant", "Encounter.contained[1].id")}),
    (contained({**PATIENT, "gender": "x"}), {("code-invalid", f"{INSIDE}.gender")}),
    (contained({"id": "p"}), {("structure", INSIDE), ("invariant", "Encounter.subject.reference")}),
    (contained("text", reference="Patient/1"), {("structure", INSIDE)}),
    (contained({**OBSERVATION, "encounter": {"reference": "#"}}, reference="Patient/1"), set()),
    (
        contained(
            PATIENT,
            {**OBSERVATION, "subject": {"reference": "#p"}},
            reference="Patient/1",
            reasonReference=[{"reference": "#o"}],
        ),
        set(),
    ),
]


@pytest.mark.spec("FHIR R4 references.html#contained; domainresource.html dom-2 to dom-5")
@pytest.mark.parametrize(("resource", "issues"), CONTAINED_CASES)
def test_contained(resource: dict[str, Any], issues: set[tuple[str, str]]) -> None:
    """Contained resources are referred to, of the right type, not nested, and carry no version or label."""
    assert found(resource) == issues


def test_contained_scope_ends_at_the_entry() -> None:
    """An entry of a bundle cannot refer to what another entry contains."""
    bundle = resources.transaction(contained(PATIENT), resources.encounter("#p"))
    assert found(bundle) == {("invariant", "Bundle.entry[1].resource.subject.reference")}
