"""What a SearchParameter resource defines, and why one cannot be used."""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.validate import validate
from healix_fhir.search.defining import defined

SP = "http://hl7.org/fhir/SearchParameter/"


def parameter(**elements: Any) -> dict[str, Any]:
    """An active parameter of Patient; `elements` replace or add, None takes one away."""
    found = {
        "resourceType": "SearchParameter",
        "url": "http://example.org/fhir/SearchParameter/tried",
        "name": "tried",
        "status": "active",
        "description": "For a test.",
        "code": "tried",
        "base": ["Patient"],
        "type": "token",
        "expression": "Patient.maritalStatus",
        **elements,
    }
    return {name: value for name, value in found.items() if value is not None}


def composite(expression: str, first: tuple[str, str], second: tuple[str, str]) -> dict[str, Any]:
    """A composite of Observation with the components (definition, expression)."""
    components = [{"definition": SP + name, "expression": inner} for name, inner in (first, second)]
    return parameter(base=["Observation"], type="composite", expression=expression, component=components)


@pytest.mark.spec("FHIR R4 searchparameter.html")
@pytest.mark.parametrize(
    ("elements", "expressions"),
    [
        ({}, {"Patient": "Patient.maritalStatus"}),
        ({"expression": "maritalStatus"}, {"Patient": "Patient.maritalStatus"}),
        (
            {"base": ["Patient", "Person"], "expression": "Patient.gender | Person.gender"},
            {"Patient": "Patient.gender", "Person": "Person.gender"},
        ),
        (
            {"expression": "Patient.extension('http://x.test/e').value as Coding"},
            {"Patient": "Patient.extension('http://x.test/e').value as Coding"},
        ),
        ({"base": ["Resource"], "expression": "Resource.language"}, dict.fromkeys(TYPES, "Resource.language")),
    ],
)
def test_an_active_one_defines_a_parameter_for_each_base(elements: dict[str, Any], expressions: dict[str, str]) -> None:
    """With the arms of its expression that are about that type; Resource stands for every type."""
    assert {one.base: one.parameter.expression for one in defined(parameter(**elements))} == expressions


@pytest.mark.spec("FHIR R4 searchparameter-definitions.html#SearchParameter.derivedFrom")
@pytest.mark.parametrize(
    "elements",
    [
        {"code": "name", "type": "string", "expression": "Patient.name"},
        {"base": ["Location"], "code": "name", "type": "string", "expression": "Location.name",
         "derivedFrom": SP + "Location-name"},
        {"code": "_id", "expression": "Resource.id"},
        {"code": "_lastUpdated", "type": "date", "expression": "Resource.meta.lastUpdated"},
        {"code": "active", "expression": "Patient.active", "url": SP + "Patient-active"},
    ],
)  # fmt: skip
def test_what_says_again_what_fhir_says_defines_nothing(elements: dict[str, Any]) -> None:
    """As the parameters of implementation guides do, which must not be refused for it."""
    assert defined(parameter(**elements)) == ()


def test_beside_what_fhir_says_it_may_say_more() -> None:
    """Of several bases, those that have no such parameter get one."""
    both = parameter(base=["Patient", "Person"], code="active", expression="Patient.active | Person.active")
    assert [one.base for one in defined(both)] == ["Person"]


@pytest.mark.parametrize("status", ["draft", "retired", "unknown"])
def test_others_define_nothing(status: str) -> None:
    """Not even what is wrong with them matters."""
    assert defined(parameter(status=status, expression="(", code="_id")) == ()


@pytest.mark.spec("FHIR R4 searchparameter.html")
@pytest.mark.parametrize(
    ("element", "elements"),
    [
        ("code", {"code": "name", "type": "string", "expression": "Patient.contact.name"}),
        ("code", {"code": "birthdate", "expression": "Patient.birthDate"}),
        ("code", {"code": "_id", "expression": "Patient.identifier"}),
        ("code", {"code": "_tried"}),
        ("code", {"code": "a:b"}),
        ("code", {"code": "x" * 65}),
        ("code", {"base": ["Resource"], "code": "identifier", "expression": "Resource.language"}),
        ("type", {"type": "special"}),
        ("type", {"type": "date"}),
        ("type", {"type": "reference"}),
        ("url", {"url": SP + "Patient-tried"}),
        ("expression", {"expression": None}),
        ("expression", {"expression": None, "xpath": "f:Patient/f:maritalStatus"}),
        ("expression", {"expression": "Patient.maritalStatus.("}),
        ("expression", {"expression": "Patient.maritalStatus |"}),
        ("expression", {"expression": "Patient.nothing"}),
        ("expression", {"expression": "Patience.maritalStatus"}),
        ("expression", {"expression": "Person.gender"}),
        ("expression", {"expression": "Patient.name.given.lower()"}),
        ("expression", {"expression": "%resource.id"}),
        ("expression", {"expression": "Patient.maritalStatus | " * 100 + "Patient.maritalStatus"}),
        ("expression", {"expression": "Patient" + ".extension.value" * 2}),
        ("expression", {"expression": "Patient" + ".extension.value" * 5}),
        ("xpathUsage", {"xpathUsage": "phonetic"}),
        ("target", {"target": ["Patient"]}),
        ("modifierExtension", {"modifierExtension": [{"url": "http://x.test/e", "valueBoolean": True}]}),
        ("component", {"component": [{"definition": SP + "Patient-active", "expression": "active"}]}),
        ("component", {"type": "composite"}),
        ("base", {"type": "composite", "base": ["Resource"], "expression": "Resource"}),
        ("component.definition", composite("Observation", ("clinical-code", "code"), ("nothing", "status"))),
        ("component.expression", composite("Observation", ("clinical-code", "code"), ("Observation-status", "issued"))),
        ("component.expression", composite("Observation.component", ("Observation-component-code", "interpretation.x"),
                                           ("Observation-component-value-concept", "interpretation"))),
        ("component.expression", composite("Observation.component", ("Observation-component-code", "code"),
                                           ("Observation-component-value-concept", "value as Period"))),
        ("component", composite("Observation.component", ("Observation-component-code", "code"),
                                ("Observation-value-string", "value as string"))),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_the_element(element: str, elements: dict[str, Any]) -> None:
    """As unprocessable, naming the element at fault."""
    with pytest.raises(HealixError) as refused:
        defined(parameter(**elements))
    assert refused.value.category is Category.UNPROCESSABLE
    assert f"SearchParameter.{element}" in [place for issue in refused.value.issues for place in issue.expression]


EXTENSION = {"extension": [{"url": "http://x.test/e", "valueBoolean": True}]}


@pytest.mark.spec("FHIR R4 json.html#primitive")
@pytest.mark.parametrize(
    ("element", "elements"),
    [
        *((name, {name: None, f"_{name}": EXTENSION}) for name in ("url", "code", "type", "expression")),
        ("base", {"base": None, "_base": [EXTENSION]}),
        ("base", {"base": ["Patient", None], "_base": [None, EXTENSION]}),
        ("target", {"type": "reference", "target": [None], "_target": [EXTENSION]}),
        ("component.definition", {"component": [{"_definition": EXTENSION, "expression": "code"}]}),
        ("component.expression", {"component": [{"definition": SP + "clinical-code", "_expression": EXTENSION}]}),
    ],
)
def test_an_extension_in_the_place_of_a_value_is_none(element: str, elements: dict[str, Any]) -> None:
    """What is a valid resource all the same is refused like everything that cannot be used."""
    resource = parameter(**elements)
    assert validate(resource, "SearchParameter") == ()
    with pytest.raises(HealixError) as refused:
        defined(resource)
    assert refused.value.category is Category.UNPROCESSABLE
    assert refused.value.issues[0].expression == (f"SearchParameter.{element}",)


def test_a_status_that_is_none_makes_nothing_active() -> None:
    """Like a draft."""
    assert defined(parameter(status=None, _status=EXTENSION)) == ()


def test_what_is_wrong_in_every_type_is_told_of_some() -> None:
    """Resource stands for all of them."""
    with pytest.raises(HealixError) as refused:
        defined(parameter(base=["Resource"]))
    assert len(refused.value.issues) == 10


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Each with its element."""
    with pytest.raises(HealixError) as refused:
        defined(parameter(code="_x", type="special", xpathUsage="nearby", target=["Group"]))
    assert len(refused.value.issues) == 4


def test_composites() -> None:
    """Components are the parameters that their definitions name."""
    made = defined(composite("Observation.component", ("Observation-component-code", "code"),
                             ("Observation-component-value-concept", "value as CodeableConcept")))  # fmt: skip
    components = made[0].parameter.components
    assert [(one.code, one.type) for one in components] == [
        ("component-code", "token"), ("component-value-concept", "token"),
    ]  # fmt: skip
    assert defined(composite("Observation", ("clinical-code", "code"), ("Observation-status", "status")))
