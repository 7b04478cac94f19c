"""The capability statement tells what runs, no more and no less."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from healix_fhir.interaction import bundle
from healix_fhir.interaction.capabilities import INTERACTIONS, SYSTEM_INTERACTIONS, capabilities
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import HealixError
from healix_fhir.model.definitions import TYPES, search_parameters
from healix_fhir.model.validate import validate
from healix_fhir.operation.registry import ROWS, offered
from healix_fhir.search.query import parse
from tests.support.search import sample

ROOT = "http://healix.test"


@pytest.fixture(scope="module")
def statement() -> dict[str, Any]:
    """The statement of a server."""
    return capabilities(ROOT, offered())


@pytest.fixture(scope="module")
def resources(statement: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What it says of each type."""
    return {shown["type"]: shown for shown in statement["rest"][0]["resource"]}


def test_it_is_a_valid_resource_and_always_the_same(statement: dict[str, Any]) -> None:
    """The statement is valid R4 and does not change from call to call."""
    assert validate(statement, "CapabilityStatement") == ()
    assert capabilities(ROOT, offered()) == statement
    assert (statement["fhirVersion"], statement["implementation"]["url"]) == ("4.0.1", f"{ROOT}/fhir")


def test_every_type_is_there(resources: dict[str, dict[str, Any]]) -> None:
    """All resource types of 4.0.1 are served alike, but the audit trail, which is only read and searched."""
    assert tuple(resources) == TYPES
    told = {name: [one["code"] for one in shown["interaction"]] for name, shown in resources.items()}
    assert told.pop("AuditEvent") == ["read", "search-type"]
    assert all(codes == list(INTERACTIONS) for codes in told.values())


def test_every_named_interaction_runs() -> None:
    """Each interaction that is named has a method of the service, and each method a name."""
    methods: dict[str, Callable[..., Any]] = {
        "read": Interactions.read,
        "vread": Interactions.vread,
        "update": Interactions.update,
        "patch": Interactions.patch,
        "delete": Interactions.delete,
        "history-instance": Interactions.history,
        "history-type": Interactions.history,
        "create": Interactions.create,
        "search-type": Interactions.search,
    }
    assert set(INTERACTIONS) == set(methods)
    assert set(SYSTEM_INTERACTIONS) == {*bundle.KINDS, "search-system", "history-system"}


@pytest.mark.parametrize("type_name", ["Patient", "Observation", "Group", "StructureDefinition", "Binary"])
def test_named_search_parameters_are_those_that_are_read(resources: dict[str, dict[str, Any]], type_name: str) -> None:
    """A parameter is named exactly when a search takes it: refused ones are not in the list."""
    named = {one["name"] for one in resources[type_name]["searchParam"]}
    for code, parameter in search_parameters(type_name).items():
        try:
            parse(type_name, [(code, sample(parameter))], strict=True)
        except HealixError:
            assert code not in named
        else:
            assert code in named


def test_named_includes_are_read(resources: dict[str, dict[str, Any]]) -> None:
    """Every include that is named is one that a search takes."""
    for name in ("include", "revinclude"):
        shown = {"include": "searchInclude", "revinclude": "searchRevInclude"}[name]
        for include in resources["Observation"][shown]:
            assert parse("Observation", [(f"_{name}", include)], strict=True).includes


def test_operations_are_those_of_the_registry(statement: dict[str, Any], resources: dict[str, dict[str, Any]]) -> None:
    """Each registered operation is named on its levels."""
    assert {one["name"] for one in resources["Patient"]["operation"]} == {
        row.name for row in ROWS if row.levels & {"type", "instance"} and row.is_for("Patient")
    }
    assert {one["name"] for one in statement["rest"][0]["operation"]} == {
        row.name for row in ROWS if "system" in row.levels
    }


def test_the_conditional_forms_are_named(resources: dict[str, dict[str, Any]]) -> None:
    """All conditional interactions are offered; how many a conditional delete takes is as the server is set."""
    shown = resources["Patient"]
    assert (shown["versioning"], shown["updateCreate"], shown["readHistory"]) == ("versioned", True, True)
    assert (shown["conditionalCreate"], shown["conditionalUpdate"]) == (True, True)
    assert (shown["conditionalRead"], shown["conditionalDelete"]) == ("full-support", "single")
    several = capabilities(ROOT, offered(), delete_several=True)["rest"][0]["resource"]
    assert {one["conditionalDelete"] for one in several if one["type"] != "AuditEvent"} == {"multiple"}


def test_security_is_smart(statement: dict[str, Any]) -> None:
    """The statement says that SMART on FHIR guards everything."""
    coding = statement["rest"][0]["security"]["service"][0]["coding"][0]
    assert coding["code"] == "SMART-on-FHIR"


@pytest.mark.spec("smart-app-launch/STU2.2/conformance.html")
def test_where_apps_ask_for_access() -> None:
    """The addresses of the OAuth server stand in the security part, in an extension that is valid; none without one."""
    uris = {"authorize": f"{ROOT}/oauth/authorize", "token": f"{ROOT}/oauth/token"}
    shown = capabilities(ROOT, offered(), oauth_uris=uris)
    assert validate(shown, "CapabilityStatement") == ()
    (extension,) = shown["rest"][0]["security"]["extension"]
    assert extension["url"] == "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    assert {part["url"]: part["valueUri"] for part in extension["extension"]} == uris
    assert "extension" not in capabilities(ROOT, offered())["rest"][0]["security"]
