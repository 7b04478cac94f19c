"""The OpenAPI document says what the routes, the capability statement and the registry say."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest

from healix_fhir.api.address import Address, Edge
from healix_fhir.api.openapi import LEFT_OUT, openapi
from healix_fhir.api.routes import routes
from healix_fhir.interaction.capabilities import capabilities
from healix_fhir.model.definitions import TYPES
from healix_fhir.operation.registry import ROWS, offered

ROOT = "https://healix.test"
ROUTES = routes(cast("Edge", None))
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The document."""
    return openapi(ROOT, capabilities(ROOT, offered()), ROUTES)


def test_every_address_and_method_is_in_it(made: dict[str, Any]) -> None:
    """What the route table answers, but operations, which stand for themselves."""
    for route in ROUTES:
        address, path = cast("Address", route.app), route.path_format  # type: ignore[attr-defined]
        if route.path in LEFT_OUT or address.name == "fhir.operation":  # type: ignore[attr-defined]
            continue
        item = made["paths"][path.removeprefix("/fhir") or "/"]
        assert {method.upper() for method in METHODS if method in item} == set(address.handlers)


def test_every_operation_is_in_it(made: dict[str, Any]) -> None:
    """On its levels and for its types, by the methods that call it, with the parameters of its definition."""
    for row in ROWS:
        type_name = "{type}" if row.types is None else min(row.types)
        for level, where in (("system", ""), ("type", f"/{type_name}"), ("instance", f"/{type_name}/{{id}}")):
            item = made["paths"].get(f"{where}/${row.name}")
            if level in row.levels:
                assert item is not None
                assert {method.upper() for method in METHODS if method in item} == set(row.methods)
    everything = made["paths"]["/Patient/{id}/$everything"]["get"]["parameters"]
    assert [one["name"] for one in everything] == ["start", "end", "_since", "_type", "_count", "_cursor"]


def test_every_type_has_its_search_parameters(made: dict[str, Any]) -> None:
    """Those of the capability statement; an AuditEvent is only searched and read."""
    (rest,) = capabilities(ROOT, offered())["rest"]
    for resource in rest["resource"]:
        search = made["paths"][f"/{resource['type']}"]["get"]
        assert [one["name"] for one in search["parameters"]] == [one["name"] for one in resource["searchParam"]]
    assert made["paths"]["/AuditEvent"].keys() == {"get"}
    assert len([path for path in made["paths"] if path.removeprefix("/") in TYPES]) == len(TYPES)


def test_it_is_consistent(made: dict[str, Any]) -> None:
    """Each place in a path is declared once, each operation has an id of its own, each reference leads somewhere."""
    ids = []
    for path, item in made["paths"].items():
        declared = [one["name"] for one in item.get("parameters", ()) if one["in"] == "path"]
        assert sorted(declared) == sorted(re.findall(r"\{(\w+)\}", path))
        for method in METHODS:
            if method in item:
                ids.append(item[method]["operationId"])
                names = [one["name"] for one in item[method].get("parameters", ())]
                assert len(names) == len(set(names))
                assert set(item[method]["tags"]) <= {tag["name"] for tag in made["tags"]}
    assert len(ids) == len(set(ids))
    for reference in set(re.findall(r"'\$ref': '#/([^']+)'", repr(made))):
        found: Any = made
        for step in reference.split("/"):
            found = found[step]
        assert found
    assert made["paths"]["/metadata"]["get"]["security"] == []
