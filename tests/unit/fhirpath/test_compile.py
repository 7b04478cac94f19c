"""Compiled expressions on small resources: one row for each part of the language that is supported."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.fhirpath.path import compile_branches, compile_path

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "active": True,
    "name": [{"family": "Byron", "given": ["Ada", None]}, {"given": ["Augusta"]}],
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1815-12-10T12:00:00Z"}]},
    "birthDate": "1815-12-10",
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "a@b"}, {"value": "2"}],
    "deceasedDateTime": "1852-11-27",
    "generalPractitioner": [
        {"reference": "Practitioner/p"},
        {"reference": "https://h.example/fhir/Organization/o/_history/2"},
        {"reference": "urn:uuid:6", "type": "Practitioner"},
        {"reference": "#contained"},
    ],
    "extension": [{"url": "urn:race", "extension": [{"url": "code", "valueCoding": {"code": "x"}}]}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "valueQuantity": {"value": 1},
    "component": [{"valueString": "a"}, {"valueCodeableConcept": {"text": "b"}}],
}
ALIVE: dict[str, Any] = {"resourceType": "Patient"}


@pytest.mark.parametrize(
    ("expression", "resource", "values"),
    [
        ("Patient.name.given", PATIENT, [("string", "Ada"), ("string", "Augusta")]),
        ("Resource.active", PATIENT, [("boolean", True)]),
        ("Practitioner.name", PATIENT, []),
        ("Patient.name[1].given", PATIENT, [("string", "Augusta")]),
        ("Patient.name[0].given", PATIENT, [("string", "Ada")]),
        ("Patient.active and Patient.gender = 'male'", PATIENT, []),
        ("Patient.active and Patient.birthDate = '1815-12-10'", PATIENT, [("boolean", True)]),
        ("Patient.gender = 'male' or Patient.active = false", PATIENT, []),
        ("Patient.name.first().family", PATIENT, [("string", "Byron")]),
        ("Patient.telecom.where(system='email').value", PATIENT, [("string", "a@b")]),
        ("Patient.telecom.where(system != 'email').value", PATIENT, [("string", "1")]),
        ("Patient.telecom.where(system.exists().not()).value", PATIENT, [("string", "2")]),
        ("Patient.telecom.where(system.empty()).value", PATIENT, [("string", "2")]),
        ("Patient.telecom.where(system='phone' or value='2').value", PATIENT, [("string", "1"), ("string", "2")]),
        ("Patient.telecom.exists(system = 'fax')", PATIENT, [("boolean", False)]),
        ("Patient.active | Patient.active", PATIENT, [("boolean", True)]),
        ("Patient.deceased", PATIENT, [("dateTime", "1852-11-27")]),
        ("(Patient.deceased as dateTime)", PATIENT, [("dateTime", "1852-11-27")]),
        ("Patient.deceased.as(boolean)", PATIENT, []),
        ("Patient.deceased.ofType(dateTime)", PATIENT, [("dateTime", "1852-11-27")]),
        ("Patient.deceased is dateTime", PATIENT, [("boolean", True)]),
        ("Patient.gender is string", {"gender": "male"}, [("boolean", True)]),
        ("Patient.deceased.exists() and Patient.deceased != false", PATIENT, [("boolean", True)]),
        ("Patient.deceased.exists() and Patient.deceased != false", ALIVE, [("boolean", False)]),
        ("Patient.deceased.exists() and Patient.deceased != false", {"deceasedBoolean": False}, [("boolean", False)]),
        ("Patient.birthDate.extension('urn:time').value", PATIENT, [("dateTime", "1815-12-10T12:00:00Z")]),
        (
            "Patient.extension.where(url = 'urn:race').extension.value.code",
            PATIENT,
            [("code", "x")],
        ),
        ("Observation.value as Quantity", OBSERVATION, [("Quantity", {"value": 1})]),
        ("Observation.component.value.as(CodeableConcept).text", OBSERVATION, [("string", "b")]),
        ("Bundle.entry[0].resource", {"entry": [{"resource": ALIVE}]}, [("Patient", ALIVE)]),
        ("Bundle.entry.resource.ofType(Patient).active", {"entry": [{"resource": PATIENT}]}, [("boolean", True)]),
    ],
)
def test_values(expression: str, resource: dict[str, Any], values: list[tuple[str, Any]]) -> None:
    """An expression returns its values in order, each with its FHIR type."""
    type_name = resource.get("resourceType") or expression.lstrip("(").split(".")[0]
    assert compile_path(expression, type_name)(resource) == values


def test_resolve_goes_by_the_reference() -> None:
    """`resolve() is T` looks at the reference: relative, absolute and versioned, else its type; never at a resource."""
    evaluate = compile_path("Patient.generalPractitioner.where(resolve() is Practitioner)", "Patient")
    assert [value["reference"] for _, value in evaluate(PATIENT)] == ["Practitioner/p", "urn:uuid:6"]
    evaluate = compile_path("Patient.generalPractitioner.where(resolve() is Organization)", "Patient")
    assert [value["reference"] for _, value in evaluate(PATIENT)] == [
        "https://h.example/fhir/Organization/o/_history/2"
    ]


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("Patient.nam", "'nam' in Patient"),
        ("Patient.name.select(given)", "select()"),
        ("Patient.birthDate > @2000", "2000"),
        ("Patient.name.given & 'x'", "&"),
        ("Patient.name is Nonsense", "Nonsense"),
        ("Patient.managingOrganization.resolve().name", "'name'"),
        ("Patient.managingOrganization.resolve() as Organization", "resolve()"),
        ("Patient.deceased[0]", "[]"),
        ("%resource.id", "%resource"),
    ],
)
def test_refused_by_name(expression: str, named: str) -> None:
    """What is not compiled is refused by name, so that no parameter is silently empty."""
    with pytest.raises(HealixError) as refusal:
        compile_branches(expression, "Patient")
    assert refusal.value.category is Category.UNSUPPORTED
    reason, _, _expression = refusal.value.message.partition(", in '")
    assert named in reason
