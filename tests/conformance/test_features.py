"""The list of what works: current, and the same as what the capability statement says.

That a running server does what the list says is a black-box check (test_black_box).
"""

from __future__ import annotations

from typing import Any

import pytest

from healix_fhir.interaction.capabilities import capabilities
from healix_fhir.model.definitions import TYPES, search_parameters
from healix_fhir.operation.registry import OPERATIONS, offered
from healix_fhir.server.features.__main__ import DATA, PAGE, data, page, rows
from healix_fhir.server.features.feature import Feature

CODES = {"batch, transaction": {"batch", "transaction"}, "capabilities": set(), "search-compartment": set()}
"""Interactions that the statement names otherwise, or not at all; conditional ones and HEAD have no code."""


@pytest.fixture(scope="module")
def listed() -> list[Feature]:
    """Every row."""
    return rows()


@pytest.fixture(scope="module")
def statement() -> dict[str, Any]:
    """The part of the capability statement on REST."""
    rest: dict[str, Any] = capabilities("http://healix.test", offered())["rest"][0]
    return rest


def names(listed: list[Feature], area: str, *, works: bool = True) -> set[str]:
    """The features of an area that work, or that do not."""
    found = {feature.name for feature in listed if feature.area == area and feature.works is works}
    return {name for name in found if "(" not in name and not name.startswith("conditional")}


def test_page_and_data_are_current(listed: list[Feature]) -> None:
    """docs/reference/fhir.md and conformance/features.json say what the code does; `make docs` makes it so."""
    assert PAGE.read_text(encoding="utf-8") == page(listed)
    assert DATA.read_bytes() == data(listed)


@pytest.mark.spec("FHIR R4 http.html#capabilities")
def test_the_statement_names_the_interactions_that_have_a_route(
    listed: list[Feature], statement: dict[str, Any]
) -> None:
    """No interaction is promised that is refused, and none kept back that works."""
    routed = set().union(*(CODES.get(name, {name}) for name in names(listed, "Interactions")))
    told = {one["code"] for one in statement["interaction"]}
    written = [resource for resource in statement["resource"] if resource["type"] != "AuditEvent"]
    for resource in written:
        assert told | {one["code"] for one in resource["interaction"]} == routed


@pytest.mark.spec("FHIR R4 http.html#capabilities")
def test_the_statement_names_the_parameters_that_are_read(listed: list[Feature], statement: dict[str, Any]) -> None:
    """The parameters of each type are those of R4 that no row refuses."""
    refused = names(listed, "Parameters of one type", works=False)
    told = {
        f"{resource['type']} {parameter['name']}"
        for resource in statement["resource"]
        for parameter in resource["searchParam"]
    }
    assert told == {f"{name} {code}" for name in TYPES for code in search_parameters(name)} - refused


@pytest.mark.spec("FHIR R4 http.html#capabilities")
def test_the_statement_names_the_operations_and_formats_that_there_are(
    listed: list[Feature], statement: dict[str, Any]
) -> None:
    """Operations and formats are the same in both."""
    told = {one["name"] for one in statement.get("operation", ())}
    told |= {one["name"] for resource in statement["resource"] for one in resource.get("operation", ())}
    assert {f"${name}" for name in told} == names(listed, "Operations")
    assert told == set(OPERATIONS)
    formats = capabilities("http://healix.test", offered())["format"]
    assert {name for name in formats if "fhir+" in name} <= names(listed, "Formats of answers")
