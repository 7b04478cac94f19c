"""$validate: what is judged, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.registry import run
from smart_auth.access import AccessContext, internal
from smart_auth.scope import parse
from tests.support.resources import patient

SYSTEM = internal("test")
NO_DATABASE = cast("Interactions", None)  # the type level asks for none


def validate(
    body: dict[str, Any], *params: tuple[str, str], access: AccessContext = SYSTEM
) -> list[tuple[str, str, list[str]]]:
    """Severity, code and places of the issues that $validate finds on the type level."""
    answer = asyncio.run(
        run("validate", NO_DATABASE, access, Invocation(params, encode(body) if body else b"", "Patient"))
    )
    outcome = decode(answer)
    assert outcome["resourceType"] == "OperationOutcome"
    return [(issue["severity"], issue["code"], issue.get("expression", [])) for issue in outcome["issue"]]


def parameters(*parts: dict[str, Any]) -> dict[str, Any]:
    """A Parameters resource."""
    return {"resourceType": "Parameters", "parameter": list(parts)}


def test_a_valid_resource_has_no_issues() -> None:
    """The outcome then holds one issue of severity information."""
    assert validate(patient()) == [("information", "informational", [])]
    assert validate(parameters({"name": "resource", "resource": patient()})) == [("information", "informational", [])]


def test_every_issue_is_told() -> None:
    """All of them, each with its place, and nothing is stored or raised."""
    issues = validate(patient(active="yes", birthDate="tomorrow"))
    assert {place for _, _, places in issues for place in places} == {"Patient.active", "Patient.birthDate"}
    assert {severity for severity, _, _ in issues} == {"error"}


def test_an_update_needs_an_id() -> None:
    """mode=update adds its own rule."""
    assert validate(patient(), ("mode", "update")) == [("error", "required", ["Patient.id"])]
    asked = parameters({"name": "mode", "valueCode": "update"}, {"name": "resource", "resource": patient(id="p")})
    assert validate(asked)[0][0] == "information"


@pytest.mark.parametrize(
    ("body", "params", "category"),
    [
        (patient(), [("profile", "http://example.org/p")], Category.UNSUPPORTED),
        (parameters({"name": "profile", "valueUri": "http://example.org/p"}), [], Category.UNSUPPORTED),
        (patient(), [("mode", "profile")], Category.INVALID),
        (patient(), [("mode", "delete")], Category.INVALID),
        (patient(), [("strange", "1")], Category.INVALID),
        ({}, [], Category.INVALID),
        (parameters(), [], Category.INVALID),
        ({"resourceType": "Parameters", "parameter": [1]}, [], Category.INVALID),
    ],
)
def test_what_cannot_be_judged_is_refused(
    body: dict[str, Any], params: list[tuple[str, str]], category: Category
) -> None:
    """A profile is refused by name, a wrong call is Invalid; neither is passed over."""
    with pytest.raises(HealixError) as error:
        validate(body, *params)
    assert error.value.category is category


def test_it_needs_the_permission_of_its_mode() -> None:
    """Who may not create may not ask whether a create would pass."""
    reader = AccessContext(parse("system/Patient.r"))
    with pytest.raises(HealixError) as error:
        validate(patient(), access=reader)
    assert error.value.category is Category.FORBIDDEN
