"""Each rule of profiles on a resource that breaks it: the issue code and the place that are told."""

from __future__ import annotations

import pytest

from healix_fhir.model.profile.judge import Extent, judge
from tests.support.profiles import EXAMPLE, NAMED, URL, Found, Json, errors, found, library, profile
from tests.support.resources import LOINC, UCUM, observation, patient

CARDINALITY: list[tuple[list[Json], Json, Found]] = [
    ([{"id": "Patient.photo", "min": 1}], patient(), errors(("required", "Patient.photo"))),
    ([{"id": "Patient.name", "min": 2}], patient(), errors(("required", "Patient.name"))),
    ([{"id": "Patient.name", "max": "0"}], patient(), errors(("structure", "Patient.name[0]"))),
    (
        [{"id": "Patient.name", "max": "1"}],
        patient(name=[{"family": "a"}, {"family": "b"}]),
        errors(("structure", "Patient.name[1]")),
    ),
    ([{"id": "Patient.name.suffix", "min": 1}], patient(), errors(("required", "Patient.name[0].suffix"))),
    (
        [{"id": "Patient.contact.relationship", "min": 1}],
        patient(),
        errors(("required", "Patient.contact[0].relationship")),
    ),
    ([{"id": "Patient.birthDate", "min": 1}], patient(birthDate=None) | {}, errors(("required", "Patient.birthDate"))),
    ([{"id": "Patient.birthDate.extension", "min": 1}], patient(), errors(("required", "Patient.birthDate.extension"))),
    ([{"id": "Patient.deceased[x]", "min": 1}], patient(), errors(("required", "Patient.deceased"))),
]

TYPES: list[tuple[list[Json], Json, Found]] = [
    (
        [{"id": "Observation.value[x]", "type": [{"code": "string"}, {"code": "Range"}]}],
        observation(),
        errors(("structure", "Observation.value")),
    ),
    (
        [{"id": "Observation.valueQuantity", "type": [{"code": "Quantity"}]}],
        observation(valueQuantity=None, valueString="x"),
        errors(("structure", "Observation.value")),
    ),
    (
        [{"id": "Patient.managingOrganization",
          "type": [{"code": "Reference", "targetProfile": [f"{EXAMPLE}/other"]}]}],
        patient(managingOrganization={"reference": "Organization/1"}),
        [("information", "not-supported", "Patient.managingOrganization")],
    ),
    (
        [{"id": "Observation.subject", "type": [{"code": "Reference", "targetProfile": [
            "http://hl7.org/fhir/StructureDefinition/Group"]}]}],
        observation(),
        errors(("value", "Observation.subject.reference")),
    ),
]  # fmt: skip

VALUES: list[tuple[list[Json], Json, Found]] = [
    ([{"id": "Patient.gender", "fixedCode": "male"}], patient(), errors(("value", "Patient.gender"))),
    (
        [{"id": "Observation.code", "fixedCodeableConcept": {"coding": [{"code": "8867-4"}]}}],
        observation(),
        errors(("value", "Observation.code")),
    ),
    (
        [{"id": "Observation.code", "patternCodeableConcept": {"coding": [{"system": LOINC, "code": "1-8"}]}}],
        observation(),
        errors(("value", "Observation.code")),
    ),
    ([{"id": "Observation.code", "patternCodeableConcept": {"coding": [{"code": "8867-4"}]}}], observation(), []),
    ([{"id": "Observation.valueQuantity.value", "fixedDecimal": 72.0}], observation(), []),
    ([{"id": "Patient.name.family", "maxLength": 4}], patient(), errors(("too-long", "Patient.name[0].family"))),
    (
        [{"id": "Patient.birthDate", "minValueDate": "1900-01-01"}],
        patient(),
        errors(("value", "Patient.birthDate")),
    ),
    (
        [{"id": "Observation.valueQuantity", "type": [{"code": "Quantity"}],
          "maxValueQuantity": {"value": 1, "system": UCUM, "code": "/s"}}],
        observation(),
        errors(("value", "Observation.value")),
    ),
    (
        [{"id": "Observation.valueQuantity", "type": [{"code": "Quantity"}],
          "maxValueQuantity": {"value": 1, "system": UCUM, "code": "kg"}}],
        observation(),
        [("information", "not-supported", "Observation.value")],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("elements", "resource", "expected"), CARDINALITY + TYPES + VALUES)
@pytest.mark.spec("FHIR R4 elementdefinition.html")
def test_elements(elements: list[Json], resource: Json, expected: Found) -> None:
    """Cardinality, types, fixed values, patterns and limits."""
    resource = {key: value for key, value in resource.items() if value is not None}
    assert found(resource, profile(resource["resourceType"], *elements)) == expected


def test_the_profile_of_a_target() -> None:
    """A resource that is contained, or in the same Bundle, is held to the profile of the reference."""
    kind = [{"code": "Reference", "targetProfile": [f"{EXAMPLE}/named"]}]
    definition = profile("Observation", {"id": "Observation.performer", "type": kind})
    nameless = {"resourceType": "Practitioner", "id": "o"}
    given = observation(contained=[nameless], performer=[{"reference": "#o"}, {"reference": "Practitioner/9"}])
    assert found(given, definition, NAMED) == errors(("value", "Observation.performer[0].reference"))
    claimed = {**observation(performer=[{"reference": "Practitioner/o"}]), "meta": {"profile": [URL]}}
    entries = [{"fullUrl": f"http://example.org/{r['resourceType']}/o", "resource": r} for r in (claimed, nameless)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    issues = judge(bundle, "Bundle", Extent(base=False), library(definition, NAMED))
    assert [issue.expression[0] for issue in issues] == ["Bundle.entry[0].resource.performer[0].reference"]


def test_the_profile_of_a_type() -> None:
    """A value is held to the profile on its data type."""
    typed = profile("Quantity", {"id": "Quantity.unit", "fixedString": "bpm"}, name="bpm", kind="complex-type")
    definition = profile("Observation", {"id": "Observation.valueQuantity",
                                         "type": [{"code": "Quantity", "profile": [f"{EXAMPLE}/bpm"]}]})  # fmt: skip
    assert found(observation(), definition, typed) == errors(("value", "Observation.value.unit"))


def test_resources_in_elements() -> None:
    """An element that holds a resource may be of one type and profile."""
    definition = profile("Bundle", {"id": "Bundle.entry.resource",
                                    "type": [{"code": "Practitioner", "profile": [f"{EXAMPLE}/named"]}]})  # fmt: skip
    entries = [{"resource": {"resourceType": "Practitioner"}}, {"resource": patient()}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    assert found(bundle, definition, NAMED) == errors(
        ("required", "Bundle.entry[0].resource.name"), ("structure", "Bundle.entry[1].resource")
    )


def test_content_references() -> None:
    """The rules of an element hold where it is referred to, however deep."""
    definition = profile("Questionnaire", {"id": "Questionnaire.item.text", "min": 1})
    item = {"linkId": "1", "type": "group", "text": "t", "item": [
        {"linkId": "2", "type": "group", "text": "t", "item": [{"linkId": "3", "type": "display"}]}]}  # fmt: skip
    form = {"resourceType": "Questionnaire", "status": "draft", "item": [item]}
    assert found(form, definition) == errors(("required", "Questionnaire.item[0].item[0].item[0].text"))


RULE = {"key": "x-1", "severity": "error", "human": "Say why", "expression": "name.family.exists()"}


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (RULE, errors(("invariant", "Patient.contact[1]"))),
        (RULE | {"severity": "warning"}, [("warning", "invariant", "Patient.contact[1]")]),
        (RULE | {"expression": "%resource.active"}, []),
        (
            RULE | {"expression": "name.memberOf('urn:x')"},
            [("information", "not-supported", f"Patient.contact[{n}]") for n in (0, 1)],
        ),
        (RULE | {"expression": "name ++"}, [("information", "not-supported", f"Patient.contact[{n}]") for n in (0, 1)]),
    ],
)
@pytest.mark.spec("FHIR R4 conformance-rules.html#constraints")
def test_invariants(constraint: Json, expected: Found) -> None:
    """An invariant is checked where it stands; one that cannot be checked is said not to be."""
    definition = profile("Patient", {"id": "Patient.contact", "constraint": [constraint]})
    given = patient(contact=[{"name": {"family": "A"}}, {"name": {"text": "B"}}])
    assert found(given, definition) == expected


def test_an_invariant_is_told_with_its_key_and_words() -> None:
    """So that a person can look it up."""
    definition = profile("Patient", {"id": "Patient", "constraint": [RULE | {"expression": "false"}]})
    (issue,) = judge(patient(), "Patient", Extent((URL,), base=False), library(definition))
    assert issue.message == f"Patient: Say why (x-1) (profile {URL})"


def test_what_breaks_the_structure_is_told_once() -> None:
    """Rules of profiles pass over values of the wrong form, which the base rules tell of."""
    definition = profile("Patient", {"id": "Patient.name.family", "min": 1}, {"id": "Patient.contact.name", "min": 1})
    broken = patient(name=["x", 1, None], contact="x")
    assert {code for _, code, _ in found(broken, definition)} == {"structure"}
