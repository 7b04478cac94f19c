"""Bindings of profiles: which codes are told of, and how gravely."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.profiles import EXAMPLE, LISTED, SETS, Found, Json, concept, errors, found, profile
from tests.support.resources import observation


def _bound(strength: str, name: str, **more: Any) -> Json:
    return profile("Observation", {"id": "Observation.code", "binding": {
        "strength": strength, "valueSet": f"{EXAMPLE}/{name}", **more}})  # fmt: skip


BAD = errors(("code-invalid", "Observation.code"))
UNSURE = [("information", "not-supported", "Observation.code")]


@pytest.mark.parametrize(
    ("strength", "name", "code", "expected"),
    [
        ("required", "red", concept("crimson"), []),
        ("required", "red", concept("red"), []),
        ("required", "red", concept("blue"), BAD),
        ("required", "red", concept("no such"), BAD),
        ("required", "red", concept("crimson", system="urn:other"), BAD),
        ("required", "red", concept("blue", "crimson"), []),
        ("required", "red", {"text": "crimson"}, BAD),
        ("extensible", "red", {"text": "crimson"}, []),
        ("extensible", "red", concept("blue"), [("warning", "code-invalid", "Observation.code")]),
        ("preferred", "red", concept("blue"), []),
        ("example", "red", concept("blue"), []),
        ("required", "listed", concept("blue"), []),
        ("required", "listed", concept("red"), BAD),
        ("required", "foreign", concept("2", system="http://snomed.info/sct"), UNSURE),
        ("required", "foreign", concept("red"), BAD),
        ("required", "both", concept("blue"), []),
        ("required", "both", concept("scarlet"), []),
        ("required", "but", concept("blue"), []),
        ("required", "but", concept("scarlet"), BAD),
        ("required", "expanded", concept("1", system="http://snomed.info/sct"), []),
        ("required", "expanded", concept("2", system="http://snomed.info/sct"), BAD),
        ("required", "partial", concept("1", system="http://snomed.info/sct"), []),
        ("required", "partial", concept("2", system="http://snomed.info/sct"), UNSURE),
        ("required", "nowhere", concept("red"), UNSURE),
    ],
)
@pytest.mark.spec("FHIR R4 terminologies.html#strength")
def test_bindings(strength: str, name: str, code: Json, expected: Found) -> None:
    """An error, a warning or nothing by the strength; what is not known is said, and is no yes."""
    assert found(observation(code=code), _bound(strength, name), *SETS) == expected


def test_a_maximum_value_set() -> None:
    """A code outside of the maximum value set of an extensible binding is an error."""
    url = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
    bound = _bound("preferred", "listed", extension=[{"url": url, "valueCanonical": f"{EXAMPLE}/red"}])
    assert found(observation(code=concept("blue")), bound, *SETS) == BAD
    assert found(observation(code={"text": "blue"}), bound, *SETS) == []


def test_a_contained_value_set() -> None:
    """A binding may name a value set inside its own definition."""
    inner = {"resourceType": "ValueSet", "id": "v", "compose": LISTED["compose"]}
    definition = profile("Observation", {"id": "Observation.code", "binding": {
        "strength": "required", "valueSet": "#v"}}, contained=[inner])  # fmt: skip
    assert found(observation(code=concept("red")), definition) == BAD
    assert found(observation(code=concept("blue")), definition) == []
