"""Structural validation, rule by rule: each row is a change to a valid resource and the issues it must give."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.problems import LIMIT
from healix_fhir.model.validate import check, validate
from tests.support import resources

Found = set[tuple[str, str]]


def found(resource: dict[str, Any], type_name: str = "") -> Found:
    """(issue code, expression) of every issue."""
    issues = validate(resource, type_name or resource["resourceType"])
    return {(issue.code, expression) for issue in issues for expression in issue.expression}


def extension(**value: Any) -> dict[str, Any]:
    """An extension with `value`."""
    return {"url": "http://example.org/extension", **value}


def test_valid_resources_have_no_issues() -> None:
    """The factories' resources are valid R4."""
    for make in (
        resources.patient,
        resources.observation,
        resources.encounter,
        resources.condition,
        resources.organization,
        resources.practitioner,
    ):
        assert found(make()) == set()
    assert found(resources.transaction(resources.patient(), resources.observation())) == set()


@pytest.mark.parametrize("type_name", TYPES)
def test_every_type_has_rules(type_name: str) -> None:
    """An unknown element is found in a resource of each type of 4.0.1."""
    assert ("structure", f"{type_name}.nonsense") in found({"resourceType": type_name, "nonsense": 1})


PATIENT_CASES: list[tuple[dict[str, Any], Found]] = [
    ({"nonsense": 1}, {("structure", "Patient.nonsense")}),
    ({"a key\n": 1}, {("structure", "Patient")}),
    ({"_contact": [{}]}, {("structure", "Patient._contact")}),
    ({"fhir_comments": ["x"]}, {("structure", "Patient.fhir_comments")}),
    ({"name": {"family": "A"}}, {("structure", "Patient.name")}),
    ({"name": []}, {("structure", "Patient.name")}),
    ({"name": [{}]}, {("structure", "Patient.name[0]")}),
    ({"name": [{"id": "a"}]}, {("structure", "Patient.name[0]")}),
    ({"name": [None]}, {("structure", "Patient.name[0]")}),
    ({"name": ["Ada"]}, {("structure", "Patient.name[0]")}),
    ({"name": [{"given": "Ada"}]}, {("structure", "Patient.name[0].given")}),
    ({"name": [{"given": ["Ada", 5]}]}, {("structure", "Patient.name[0].given[1]")}),
    ({"name": [{"given": ["Ada", ""]}]}, {("value", "Patient.name[0].given[1]")}),
    ({"name": [{"given": ["Ada", None]}]}, {("structure", "Patient.name[0].given[1]")}),
    ({"contact": [{"name": {"given": ["x", "\x01"]}}]}, {("value", "Patient.contact[0].name.given[1]")}),
    ({"gender": "woman"}, {("code-invalid", "Patient.gender")}),
    ({"gender": 5}, {("structure", "Patient.gender")}),
    ({"gender": ["female"]}, {("structure", "Patient.gender")}),
    ({"gender": {"x": 1}}, {("structure", "Patient.gender")}),
    ({"gender": None}, {("structure", "Patient.gender")}),
    ({"gender": ""}, {("value", "Patient.gender")}),
    ({"active": "true"}, {("structure", "Patient.active")}),
    ({"active": 1}, {("structure", "Patient.active")}),
    ({"birthDate": "2023-02-29"}, {("value", "Patient.birthDate")}),
    ({"birthDate": 1815}, {("structure", "Patient.birthDate")}),
    ({"id": "a/b"}, {("value", "Patient.id")}),
    ({"id": "x" * 65}, {("value", "Patient.id")}),
    ({"_id": {"extension": [extension(valueBoolean=True)]}}, {("structure", "Patient._id")}),
    ({"deceasedBoolean": True, "deceasedDateTime": "2020"}, {("structure", "Patient.deceased")}),
    (
        {"deceasedBoolean": True, "_deceasedDateTime": {"extension": [extension(valueCode="x")]}},
        {("structure", "Patient.deceased")},
    ),
    ({"deceasedString": "yes"}, {("structure", "Patient.deceasedString")}),
    ({"multipleBirthInteger": True}, {("structure", "Patient.multipleBirth")}),
    ({"multipleBirthInteger": Decimal("1.0")}, {("value", "Patient.multipleBirth")}),
    ({"communication": [{"preferred": True}]}, {("required", "Patient.communication[0].language")}),
    (
        {"link": [{"other": {"reference": "Patient/a"}, "type": "refer"}, {"type": "x"}]},
        {("required", "Patient.link[1].other"), ("code-invalid", "Patient.link[1].type")},
    ),
    ({"managingOrganization": {"reference": "Patient/1"}}, {("value", "Patient.managingOrganization.reference")}),
    ({"extension": [extension()]}, {("invariant", "Patient.extension[0]")}),
    (
        {"extension": [extension(valueBoolean=True, extension=[extension(valueCode="a")])]},
        {("invariant", "Patient.extension[0]")},
    ),
    ({"extension": [extension(valueCode="a", valueString="b")]}, {("structure", "Patient.extension[0].value")}),
    ({"extension": [{"valueCode": "a"}]}, {("required", "Patient.extension[0].url")}),
    ({"extension": [extension(valueCode="a", _url={"id": "u"})]}, {("structure", "Patient.extension[0]._url")}),
    ({"extension": [extension(valuePatient={})]}, {("structure", "Patient.extension[0].valuePatient")}),
    ({"text": {"status": "generated"}}, {("required", "Patient.text.div")}),
    ({"text": {"status": "generated", "div": "<div>x</div>"}}, {("value", "Patient.text.div")}),
]


@pytest.mark.spec("FHIR R4 json.html; datatypes.html")
@pytest.mark.parametrize(("change", "issues"), PATIENT_CASES)
def test_patient_rule(change: dict[str, Any], issues: Found) -> None:
    """A change that breaks one rule gives exactly its issue, at its place."""
    assert found(resources.patient(**change)) == issues


SIBLING_CASES: list[tuple[dict[str, Any], Found]] = [
    ({"_birthDate": {"id": "b"}}, set()),
    ({"_birthDate": {"extension": [extension(valueDateTime="1815-12-10T08:00:00Z")]}}, set()),
    ({"_birthDate": {"extension": [extension()]}}, {("invariant", "Patient.birthDate.extension[0]")}),
    ({"_birthDate": {}}, {("structure", "Patient.birthDate")}),
    ({"_birthDate": {"value": "1815"}}, {("structure", "Patient.birthDate.value")}),
    ({"_birthDate": None}, {("structure", "Patient.birthDate")}),
    ({"_active": [{"id": "a"}]}, {("structure", "Patient.active")}),
    ({"_implicitRules": {"id": "a"}}, {("structure", "Patient.implicitRules")}),
    ({"_implicitRules": {"extension": [extension(valueCode="a")]}}, set()),
    ({"name": [{"given": ["A", "B"], "_given": [None, {"id": "b"}]}]}, set()),
    ({"name": [{"given": ["A", None], "_given": [None, {"extension": [extension(valueCode="u")]}]}]}, set()),
    ({"name": [{"_given": [{"extension": [extension(valueCode="u")]}]}]}, set()),
    ({"name": [{"given": ["A", None], "_given": [None, {"id": "b"}]}]}, {("structure", "Patient.name[0].given[1]")}),
    ({"name": [{"given": ["A", None], "_given": [None, None]}]}, {("structure", "Patient.name[0].given[1]")}),
    ({"name": [{"given": ["A"], "_given": [None, {"id": "b"}]}]}, {("structure", "Patient.name[0].given")}),
    ({"name": [{"given": ["A"], "_given": {"id": "b"}}]}, {("structure", "Patient.name[0].given")}),
    ({"name": [{"_given": [None]}]}, {("structure", "Patient.name[0].given[0]")}),
    ({"name": [{"_given": []}]}, {("structure", "Patient.name[0].given")}),
]


@pytest.mark.spec("FHIR R4 json.html#primitive")
@pytest.mark.parametrize(("change", "issues"), SIBLING_CASES)
def test_sibling_rule(change: dict[str, Any], issues: Found) -> None:
    """`_name` carries id and extensions of a primitive, aligned with its values."""
    assert found(resources.patient(**change)) == issues


OBSERVATION_CASES: list[tuple[dict[str, Any], Found]] = [
    ({"status": "done"}, {("code-invalid", "Observation.status")}),
    ({"valueQuantity": {"value": "72"}}, {("structure", "Observation.value.value")}),
    ({"valueQuantity": {"value": Decimal("1.50")}}, set()),
    ({"valueQuantity": {"value": 1, "comparator": "~"}}, {("code-invalid", "Observation.value.comparator")}),
    (
        {"referenceRange": [{"low": {"value": 1, "comparator": "<"}}]},
        {("structure", "Observation.referenceRange[0].low.comparator")},
    ),
    ({"component": [{"code": {"text": "a"}, "referenceRange": [{"text": "b"}]}]}, set()),
    ({"component": [{"valueInteger": 1}]}, {("required", "Observation.component[0].code")}),
    (
        {"component": [{"code": {"text": "a"}, "referenceRange": [{"nonsense": 1}]}]},
        {("structure", "Observation.component[0].referenceRange[0].nonsense")},
    ),
    ({"issued": "2024-05-06"}, {("value", "Observation.issued")}),
    ({"effectiveDateTime": "2024-05-06T07:08:09"}, {("value", "Observation.effective")}),
    ({"effectivePeriod": {"start": "2024"}}, {("structure", "Observation.effective")}),
    ({"valueAddress": {"city": "x"}}, {("structure", "Observation.valueAddress")}),
]


@pytest.mark.parametrize(("change", "issues"), OBSERVATION_CASES)
def test_observation_rule(change: dict[str, Any], issues: Found) -> None:
    """Choices, quantities, contentReferences and required elements."""
    assert found(resources.observation(**change)) == issues


def test_required_elements() -> None:
    """Each required element that is missing gives its own issue; one that has only extensions is there."""
    bare = {"resourceType": "Observation"}
    assert found(bare) == {("required", "Observation.status"), ("required", "Observation.code")}
    excused = {**bare, "_status": {"extension": [extension(valueCode="unknown")]}, "code": {"text": "a"}}
    assert found(excused) == set()


def test_required_choice() -> None:
    """A choice that must be there is required by its name without type."""
    request = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    assert found({**request, "subject": {"reference": "Patient/1"}}) == {("required", "MedicationRequest.medication")}


def test_required_binding_of_a_concept() -> None:
    """A CodeableConcept with a required binding needs a coding of the value set, with its system."""
    right = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
    assert found(resources.condition(clinicalStatus={"coding": [{"code": "x"}, right]})) == set()
    for wrong in ({"text": "active"}, {"coding": [{"code": "active"}]}, {"coding": [{**right, "code": "done"}]}):
        assert found(resources.condition(clinicalStatus=wrong)) == {("code-invalid", "Condition.clinicalStatus")}


def test_currency_binding() -> None:
    """Currencies have three letters, although their list is not part of the definitions."""
    claim = {"resourceType": "PaymentReconciliation", "status": "active", "created": "2024", "paymentDate": "2024"}
    assert found({**claim, "paymentAmount": {"value": 1, "currency": "EUR"}}) == set()
    assert found({**claim, "paymentAmount": {"value": 1, "currency": "Euro"}}) == {
        ("code-invalid", "PaymentReconciliation.paymentAmount.currency")
    }


def test_every_issue_is_reported() -> None:
    """One walk reports all issues, not the first."""
    broken = resources.patient(gender="x", birthDate="y", name=[{"given": [1, 2]}], nonsense=1)
    assert len(found(broken)) == 5


def test_issues_are_bounded() -> None:
    """A hostile body of a million errors gives a bounded answer."""
    assert len(validate(resources.patient(name=[{"given": [1] * 50}] * 1000), "Patient")) <= LIMIT
    assert len(validate(resources.patient(**{f"x{n}": 1 for n in range(5000)}), "Patient")) <= LIMIT


@pytest.mark.parametrize(
    ("resource", "type_name"),
    [
        ({"resourceType": "Observation"}, "Patient"),
        ({"resourceType": "Nonsense"}, "Nonsense"),
        ({"resourceType": ["Patient"]}, "Patient"),
        ({}, "Patient"),
    ],
)
def test_resource_type(resource: dict[str, Any], type_name: str) -> None:
    """A body must say that it is of the type of its address, and that type must exist."""
    assert found(resource, type_name) == {("structure", type_name)}


def test_check_raises_all_issues() -> None:
    """`check` refuses with every issue, and lets valid resources pass."""
    check(resources.patient(), "Patient")
    with pytest.raises(HealixError) as caught:
        check(resources.patient(gender="x", active=3), "Patient")
    assert {issue.expression for issue in caught.value.issues} == {("Patient.gender",), ("Patient.active",)}


def test_entries_are_validated_at_their_place() -> None:
    """Issues of a bundle's resources are located in the bundle."""
    bundle = resources.transaction(resources.patient(), resources.patient(gender="x"), {"resourceType": "Nonsense"})
    assert found(bundle) == {
        ("code-invalid", "Bundle.entry[1].resource.gender"),
        ("structure", "Bundle.entry[2].resource"),
    }
