"""$fhirpath: what it answers, and what it refuses."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, cast

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.model.validate import validate
from healix_fhir.operation.fhirpath import RESULTS
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import internal
from tests.support.operation import run
from tests.support.resources import Json, observation, patient

NO_DATABASE = cast("Interactions", None)  # nothing is read
BESIDE = {"extension": [{"url": "urn:x", "valueString": "y"}]}
UCUM = "http://unitsofmeasure.org"


def call(body: Json | None, *params: tuple[str, str]) -> Json:
    """The answer to a call with `body`, which is valid FHIR."""
    asked = Invocation(params, encode(body) if body is not None else b"")
    answer = decode(asyncio.run(run("fhirpath", NO_DATABASE, internal("test"), asked)))
    assert validate(answer, "Parameters") == ()
    return answer


def asked(expression: str, resource: Json, **further: Any) -> Json:
    """The Parameters of a call."""
    parts = [{"name": "expression", "valueString": expression}, {"name": "resource", "resource": resource}]
    return {
        "resourceType": "Parameters",
        "parameter": parts + [{"name": k, "valueBoolean": v} for k, v in further.items()],
    }


def results(expression: str, resource: Json) -> list[Json]:
    """The results, without their name."""
    parts = call(asked(expression, resource)).get("parameter", [])
    assert {part.pop("name") for part in parts} <= {"result"}
    return list(parts)


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("Patient.name.given", [{"valueString": "Ada"}, {"valueString": "Augusta"}]),
        ("gender", [{"valueCode": "female"}]),
        ("name.family.upper()", [{"valueString": "BYRON"}]),
        ("name.count() > 0", [{"valueBoolean": True}]),
        ("1 + 1", [{"valueInteger": 2}]),
        ("1.50 * 2", [{"valueDecimal": Decimal("3.00")}]),
        ("birthDate", [{"valueDate": "1815-12-10"}]),
        ("birthDate + 1 year", [{"valueDate": "1816-12-10"}]),
        ("@2020-01-01T10:00:00Z", [{"valueDateTime": "2020-01-01T10:00:00Z"}]),
        ("@2020-01-01T10:00", [{"valueString": "2020-01-01T10:00"}]),
        ("@T10:30:00", [{"valueTime": "10:30:00"}]),
        ("@T10:30", [{"valueString": "10:30"}]),
        ("5 'mg'", [{"valueQuantity": {"value": 5, "unit": "mg", "system": UCUM, "code": "mg"}}]),
        ("2 weeks", [{"valueQuantity": {"value": 2, "unit": "weeks", "system": UCUM, "code": "wk"}}]),
        (
            "communication.language",
            [{"valueCodeableConcept": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}}],
        ),
        (
            "contact",
            [{"part": [{"name": "name", "valueHumanName": {"family": "King", "given": ["William"]}}]}],
        ),
        ("text.div.length() > 10", [{"valueBoolean": True}]),
        ("text.status | text.div.substring(0, 4)", [{"valueCode": "generated"}, {"valueString": "<div"}]),
        (
            "gender.type()",
            [{"part": [{"name": "namespace", "valueString": "FHIR"}, {"name": "name", "valueString": "code"}]}],
        ),
        ("name.suffix", []),
        ("maritalStatus.text", [{"_valueString": BESIDE}]),
    ],
)
def test_results_are_typed(expression: str, found: list[Json]) -> None:
    """Each item of the result is a parameter `result` with a value of its type; decimals keep their digits."""
    resource = patient(maritalStatus={"_text": BESIDE})
    assert results(expression, resource) == found


def test_a_resource_is_a_result() -> None:
    """A result that is a resource stands as one."""
    assert results("$this", observation()) == [{"resource": observation()}]
    assert results("text.div", patient())[0]["valueString"].startswith("<div")


def test_an_empty_string_is_marked() -> None:
    """FHIR writes no empty strings: the value is said to be absent."""
    (part,) = results("''", patient())
    assert part["_valueString"]["extension"][0]["valueCode"] == "not-applicable"


def test_strict_refuses_what_cannot_be() -> None:
    """A misspelt element is an empty result, and an error where the caller asks for strictness."""
    assert results("Patient.nam", patient()) == []
    with pytest.raises(HealixError) as refusal:
        call(asked("Patient.nam", patient(), strict=True))
    assert "'nam' in Patient" in refusal.value.message


@pytest.mark.parametrize(
    ("body", "params", "category", "reason"),
    [
        (None, [], Category.INVALID, "'expression'"),
        (patient(), [], Category.INVALID, "'expression'"),
        ({"resourceType": "Parameters", "parameter": [1]}, [], Category.INVALID, "not valid"),
        ({"resourceType": "Parameters", "wrong": 1}, [], Category.INVALID, "not valid"),
        (asked("1", patient(), debug=True), [], Category.INVALID, "debug"),
        (asked("1", patient()), [("expression", "1")], Category.INVALID, "'expression' may stand once"),
        ({"resourceType": "Parameters"}, [], Category.INVALID, "needs the parameter 'expression'"),
        (
            {"resourceType": "Parameters", "parameter": [{"name": "expression", "valueString": "1"}]},
            [],
            Category.INVALID,
            "needs the parameter 'resource'",
        ),
        (asked("name.", patient()), [], Category.INVALID, "character 6"),
        (asked("name.single().nope()", patient()), [], Category.INVALID, "nope()"),
        (asked("1", {"resourceType": "Spaceship"}), [], Category.INVALID, "no type"),
        (asked("1", {"resourceType": "Patient", "name": "x"}), [], Category.INVALID, "structure"),
        (asked("1.repeat($this + 1)", patient()), [], Category.TOO_LARGE, "too many steps"),
        (asked("name.subsumes(1)", patient()), [], Category.UNSUPPORTED, "subsumes()"),
    ],
)
def test_refusals(body: Json | None, params: list[tuple[str, str]], category: Category, reason: str) -> None:
    """What is no call, no FHIRPath, or too much, is refused with the reason."""
    with pytest.raises(HealixError) as refusal:
        call(body, *params)
    assert refusal.value.category is category
    assert reason in refusal.value.message


def test_results_are_bounded() -> None:
    """An answer holds at most 1000 results, and says so."""
    many = patient(name=[{"given": [str(number) for number in range(RESULTS + 1)]}])
    assert len(results("name.given.take(1000)", many)) == RESULTS
    with pytest.raises(HealixError) as refusal:
        call(asked("name.given", many))
    assert refusal.value.category is Category.TOO_LARGE
