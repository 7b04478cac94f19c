"""Snapshots made from differentials."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.profile.element_tree import flatten
from tests.support.profiles import EXAMPLE, library, profile

Json = dict[str, Any]


def snapshot(*bodies: Json) -> dict[str, Json]:
    """The elements by id of the snapshot of the first of these definitions."""
    known = library(*bodies)
    return {e["id"]: e for e in flatten(known.tree(known.structure(bodies[0]["url"])))}


@pytest.mark.spec("FHIR R4 profiling.html#snapshot")
def test_an_element_keeps_what_is_not_constrained() -> None:
    """Cardinality, type and invariants of the base stay; what the differential says replaces or adds."""
    rule = {"key": "x-1", "severity": "error", "human": "h", "expression": "true"}
    found = snapshot(profile("Patient", {"id": "Patient.contact", "min": 1, "constraint": [rule]}))
    contact = found["Patient.contact"]
    assert (contact["min"], contact["max"]) == (1, "*")
    assert [c["key"] for c in contact["constraint"]] == ["pat-1", "x-1"]
    assert found["Patient.name"]["type"] == [{"code": "HumanName"}]
    assert list(found)[:3] == ["Patient", "Patient.id", "Patient.meta"]


def test_an_invariant_of_the_same_key_is_replaced() -> None:
    """A profile may restate an invariant of its base."""
    rule = {"key": "pat-1", "severity": "error", "human": "h", "expression": "true"}
    found = snapshot(profile("Patient", {"id": "Patient.contact", "constraint": [rule]}))
    assert found["Patient.contact"]["constraint"] == [rule]


def test_a_data_type_is_unfolded_where_the_differential_goes_into_it() -> None:
    """The elements of the type stand below the element, those of other elements do not."""
    found = snapshot(profile("Patient", {"id": "Patient.name.family", "min": 1}))
    assert found["Patient.name.family"]["min"] == 1
    assert found["Patient.name.given"]["max"] == "*"
    assert "Patient.address.city" not in found


def test_a_primitive_is_unfolded_to_its_extensions() -> None:
    """Extensions of a primitive can be constrained."""
    found = snapshot(profile("Patient", {"id": "Patient.birthDate.extension:t", "min": 1}))
    assert found["Patient.birthDate.extension:t"]["sliceName"] == "t"


@pytest.mark.spec("FHIR R4 profiling.html#slicing")
def test_a_slice_begins_as_a_copy() -> None:
    """A slice has the elements of what it slices, need not be there, and stands after its siblings' elements."""
    slicing = {"discriminator": [{"type": "value", "path": "code"}], "rules": "closed"}
    found = snapshot(
        profile(
            "Observation",
            {"id": "Observation.component", "slicing": slicing, "min": 1},
            {"id": "Observation.component:a", "max": "1"},
            {"id": "Observation.component:a.value[x]", "min": 1},
        )
    )
    assert found["Observation.component"]["slicing"] == slicing
    assert found["Observation.component:a"]["min"] == 0
    assert found["Observation.component:a.code"]["min"] == 1
    assert found["Observation.component:a.value[x]"]["min"] == 1
    assert found["Observation.component.value[x]"]["min"] == 0
    ids = list(found)
    assert ids.index("Observation.component.referenceRange") < ids.index("Observation.component:a")


def test_a_slice_can_be_sliced_again() -> None:
    """A re-slice refines the slice before the stroke and inherits from it."""
    slicing = {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}
    found = snapshot(
        profile(
            "Patient",
            {"id": "Patient.identifier", "slicing": slicing},
            {"id": "Patient.identifier:a", "slicing": slicing, "mustSupport": True},
            {"id": "Patient.identifier:a/b", "max": "1"},
        )
    )
    assert found["Patient.identifier:a/b"]["mustSupport"]
    assert found["Patient.identifier:a/b"]["max"] == "1"
    assert "slicing" not in found["Patient.identifier:a/b"]


@pytest.mark.spec("FHIR R4 profiling.html#slicing")
def test_a_choice_written_by_its_type() -> None:
    """With `type` the choice is narrowed; without, one of its types is sliced and the others stay."""
    narrowed = snapshot(profile("Observation", {"id": "Observation.valueQuantity", "type": [{"code": "Quantity"}]}))
    assert narrowed["Observation.value[x]"]["type"] == [{"code": "Quantity"}]
    sliced = snapshot(profile("Observation", {"id": "Observation.valueQuantity.code", "min": 1}))
    assert len(sliced["Observation.value[x]"]["type"]) == 11
    assert sliced["Observation.value[x]"]["slicing"]["discriminator"] == [{"type": "type", "path": "$this"}]
    assert sliced["Observation.value[x]:valueQuantity"]["type"] == [{"code": "Quantity"}]
    assert sliced["Observation.value[x]:valueQuantity.code"]["min"] == 1


def test_a_content_reference_is_followed() -> None:
    """What is below it are the elements of the element it names."""
    found = snapshot(profile("Questionnaire", {"id": "Questionnaire.item.item.text", "min": 1}))
    assert found["Questionnaire.item.item.text"]["min"] == 1
    assert found["Questionnaire.item.text"]["min"] == 0
    assert "contentReference" not in found["Questionnaire.item.item"]


def test_extensions_are_sliced_by_url() -> None:
    """A slice of extensions needs no slicing to be written."""
    kind = [{"code": "Extension", "profile": ["http://hl7.org/fhir/StructureDefinition/patient-birthPlace"]}]
    found = snapshot(profile("Patient", {"id": "Patient.extension:place", "type": kind, "max": "1"}))
    assert found["Patient.extension"]["slicing"]["discriminator"] == [{"type": "value", "path": "url"}]


def test_a_profile_on_a_profile() -> None:
    """The base may be a profile that has only a differential itself."""
    second = profile("Patient", {"id": "Patient.gender", "min": 1}, name="second")
    first = profile("Patient", {"id": "Patient.name", "min": 1}, baseDefinition=f"{EXAMPLE}/second")
    found = snapshot(first, second)
    assert (found["Patient.gender"]["min"], found["Patient.name"]["min"]) == (1, 1)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (profile("Patient", {"id": "Patient.shoes", "min": 1}), "there is no element 'shoes' in Patient"),
        (profile("Patient", {"id": "Patient.name.a.b", "min": 1}), "there is no element 'a' in name"),
        (profile("Patient", {"id": "Observation.code"}), "'Observation.code' is not in Patient"),
        (profile("Patient", {"id": "Patient.name", "path": "Patient"}), "does not fit the path"),
        (profile("Observation", {"id": "Observation.value[x].code"}), "'value[x]' has several types"),
        (profile("Patient", baseDefinition="urn:nothing"), "urn:nothing"),
        (profile("Patient", baseDefinition=f"{EXAMPLE}/profile"), "is based on itself"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(definition: Json, message: str) -> None:
    """A differential that fits no base tells what is wrong with it."""
    with pytest.raises(HealixError) as error:
        snapshot(definition)
    assert message in error.value.message
