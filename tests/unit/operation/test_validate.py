"""$validate: what is judged, and what is refused."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.model.json import decode, encode
from healix_fhir.model.profile.judge import Extent, judge
from healix_fhir.model.profile.library import Library
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext, internal
from smart_auth.scope import parse
from tests.support.operation import run
from tests.support.resources import observation, patient

SYSTEM = internal("test")
VITAL_SIGNS = "http://hl7.org/fhir/StructureDefinition/vitalsigns"


class Judging:
    """Judges by R4's own definitions, without a database."""

    async def judge(
        self, _access: AccessContext, resource: dict[str, Any], type_name: str, extent: Extent
    ) -> tuple[Issue, ...]:
        """As `interaction.judging` does."""
        return judge(resource, type_name, extent, Library(closed=True))


BASES = ("http://healix.test/fhir",)
NO_DATABASE = cast("Interactions", SimpleNamespace(judging=Judging(), bases=BASES))  # the type level asks for none


def validate(
    body: dict[str, Any], *params: tuple[str, str], access: AccessContext = SYSTEM, type_name: str = "Patient"
) -> list[tuple[str, str, list[str]]]:
    """Severity, code and places of the issues that $validate finds on the type level."""
    answer = asyncio.run(
        run("validate", NO_DATABASE, access, Invocation(params, encode(body) if body else b"", type_name))
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


@pytest.mark.spec("FHIR R4 resource-operation-validate.html")
def test_profiles_are_named_in_the_query_or_in_parameters() -> None:
    """A resource is held to each of them; an unknown one is an error that names it."""
    given = observation(category=[{"text": "x"}])
    missing = ("error", "required", ["Observation.category"])
    named = parameters({"name": "profile", "valueUri": VITAL_SIGNS}, {"name": "resource", "resource": given})
    assert validate(given, ("profile", VITAL_SIGNS), type_name="Observation")[0] == missing
    assert validate(named, type_name="Observation")[0] == missing
    found = validate(given, ("profile", VITAL_SIGNS), ("profile", "urn:none"), type_name="Observation")
    assert found[:2] == [missing, ("error", "not-found", ["Observation"])]


@pytest.mark.parametrize(
    ("body", "params"),
    [
        (patient(), [("mode", "profile")]),
        (patient(), [("mode", "delete")]),
        (patient(), [("mode", "burn")]),
        (patient(), [("strange", "1")]),
        (patient(), [("profile", f"urn:{number}") for number in range(21)]),
        ({}, []),
        (parameters(), []),
        (parameters({"name": "profile"}), []),
        (parameters({"name": "profile", "valueUri": "urn:x"}), []),
        ({"resourceType": "Parameters", "parameter": [1]}, []),
    ],
)
def test_what_cannot_be_judged_is_refused(body: dict[str, Any], params: list[tuple[str, str]]) -> None:
    """A wrong call is Invalid and is not passed over."""
    with pytest.raises(HealixError) as error:
        validate(body, *params)
    assert error.value.category is Category.INVALID


@pytest.mark.spec("FHIR R4 operationoutcome.html")
def test_lines_and_columns() -> None:
    """For a body that was sent as text, an issue tells where in the text it is; in Parameters too."""
    text = b"""{"resourceType": "Parameters", "parameter": [
  {"name": "resource",
   "resource": {"resourceType": "Patient",
     "active": "yes", "text": {"status": "empty", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>x</div>"}}}]}"""
    for as_sent in (True, False):
        asked = Invocation((), text, "Patient", as_sent=as_sent)
        (issue,) = decode(asyncio.run(run("validate", NO_DATABASE, SYSTEM, asked)))["issue"]
        place = [extension["valueInteger"] for extension in issue.get("extension", [])]
        assert place == ([4, 6] if as_sent else [])


def test_it_needs_the_permission_of_its_mode() -> None:
    """Who may not create may not ask whether a create would pass."""
    reader = AccessContext(parse("system/Patient.r"))
    with pytest.raises(HealixError) as error:
        validate(patient(), access=reader)
    assert error.value.category is Category.FORBIDDEN


@pytest.mark.spec("FHIR R4 resource-operation-validate.html")
def test_each_entry_of_a_bundle_is_judged() -> None:
    """By the structure, invariants and profiles of its own resource, and by whether this server could use it."""

    def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
        entries = [
            {"fullUrl": f"urn:uuid:c0b4e1f0-5c1a-4d3c-8f5e-00000000000{n}", "resource": one}
            for n, one in enumerate(resources)
        ]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    vital = observation(meta={"profile": [VITAL_SIGNS]}, category=[{"text": "x"}])
    judged = validate(bundle(patient(contact=[{"gender": "male"}]), vital, patient(active=1)), type_name="Bundle")
    assert {place for severity, _, places in judged for place in places if severity == "error"} == {
        "Bundle.entry[0].resource.contact[0]",
        "Bundle.entry[1].resource.category",
        "Bundle.entry[2].resource.active",
    }
    unusable = {
        "resourceType": "SearchParameter",
        "url": "http://x.test/p",
        "name": "P",
        "status": "active",
        "description": "x",
        "code": "p",
        "base": ["Patient"],
        "type": "token",
        "expression": "Patient.nope(",
    }
    judged = validate(bundle(patient(), unusable), type_name="Bundle")
    errors = [places for severity, _, places in judged if severity == "error"]
    assert errors
    assert all(place.startswith("Bundle.entry[1].resource") for places in errors for place in places)
