"""What runs below the FHIR base, as an OpenAPI 3.1 document: for tools that know HTTP and not FHIR.

It is made of the route table, with the methods that each address answers, and of the capability statement: for each
type the search parameters, and the operations with what they declare. A path with a type in it stands for all types;
those of single types stand beside it where they take parameters of their own.

Spec: OpenAPI 3.1.0, spec.openapis.org/oas/v3.1.0.html; FHIR R4, hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from starlette.routing import BaseRoute, Route

from healix_fhir.api.address import Address
from healix_fhir.api.negotiation import PATCH_TYPES
from healix_fhir.model.definitions import TYPES
from healix_fhir.model.operation_definition import MANY, Parameter
from healix_fhir.operation.operation import Operation
from healix_fhir.operation.registry import ROWS

Json = dict[str, Any]

BASE = "/fhir"
FORMATS = ("application/fhir+json", "application/fhir+xml")
FORM = "application/x-www-form-urlencoded"
PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")
DESCRIBED: Mapping[str, Json] = {
    "type": {"enum": list(TYPES)},
    "id": {"pattern": r"^[A-Za-z0-9\-.]{1,64}$"},
    "version": {"pattern": "^[0-9]{1,9}$"},
    "other": {"enum": ["*", *TYPES]},
}
"""The schemas of the places in paths."""
LEFT_OUT = frozenset({"/fhir/{rest:rest}", "/fhir/", "/fhir/{type}/"})
"""Routes that answer nothing, or what the same address without a slash does."""
NAMES: Mapping[tuple[str, str], str] = {
    ("fhir.instance", "GET"): "read",
    ("fhir.instance", "PUT"): "update",
    ("fhir.instance", "PATCH"): "patch",
    ("fhir.instance", "DELETE"): "delete",
    ("fhir.type", "GET"): "search-type",
    ("fhir.type", "POST"): "create",
    ("fhir.type", "PUT"): "conditional update",
    ("fhir.type", "PATCH"): "conditional patch",
    ("fhir.type", "DELETE"): "conditional delete",
    ("fhir.metadata", "GET"): "capabilities",
    ("fhir.search", "POST"): "search by form",
    ("fhir.history", "GET"): "history",
    ("fhir.vread", "GET"): "vread",
    ("fhir.compartment", "GET"): "search of a compartment",
    ("fhir.compartment", "POST"): "search of a compartment by form",
    ("fhir.bundle", "GET"): "search-system",
    ("fhir.bundle", "POST"): "batch or transaction",
}
SCHEMA_OF = {"boolean": "boolean", "decimal": "number", "integer": "integer", "positiveInt": "integer"}


def openapi(root: str, statement: Json, routes: Sequence[BaseRoute]) -> Json:
    """The document of a server at `root` with this capability statement and these routes."""
    (rest,) = statement["rest"]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Healix FHIR API",
            "version": version("healix"),
            "description": f"FHIR R4 (4.0.1). What each type and operation does is in {root}{BASE}/metadata.",
        },
        "servers": [{"url": f"{root}{BASE}"}],
        "security": [{"smart": []}],
        "tags": [{"name": name} for name in ("FHIR", "Operations", *TYPES)],
        "paths": dict(sorted(_paths(rest, routes))),
        "components": {
            "securitySchemes": {
                "smart": {"type": "openIdConnect", "openIdConnectUrl": f"{root}/.well-known/openid-configuration"}
            },
            "schemas": {
                "Resource": {
                    "type": "object",
                    "required": ["resourceType"],
                    "properties": {"resourceType": {"enum": list(TYPES)}, "id": {"type": "string"}},
                }
            },
            "responses": {
                "resource": {"description": "The resource that is the answer", "content": _content(FORMATS)},
                "refused": {"description": "An OperationOutcome with every issue", "content": _content(FORMATS)},
            },
        },
    }


def _paths(rest: Json, routes: Sequence[BaseRoute]) -> Iterator[tuple[str, Json]]:
    for route in routes:
        if not isinstance(route, Route) or not isinstance(route.app, Address) or route.path in LEFT_OUT:
            continue
        if route.app.name != "fhir.operation":
            yield _path(route.path), _item(route.path, route.app)
    searched = next(route for route in routes if isinstance(route, Route) and route.path == "/fhir/{type:type}")
    for resource in rest["resource"]:
        yield f"/{resource['type']}", _of_type(resource, searched)
    yield from _operations(ROWS)


def _path(path: str) -> str:
    return PLACE.sub(r"{\1}", path).removeprefix(BASE) or "/"


def _item(path: str, address: Address) -> Json:
    """The methods of an address."""
    places = [_place(name) for name in PLACE.findall(path)]
    item: Json = {"parameters": places} if places else {}
    for method in address.handlers:
        item[method.lower()] = _method(address, method, _path(path))
    return item


def _place(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"} | DESCRIBED.get(name, {})}


def _method(address: Address, method: str, path: str) -> Json:
    name = NAMES[address.name, method]
    made: Json = {
        "operationId": f"{name.replace(' ', '-')}:{path}",
        "summary": name,
        "tags": ["FHIR"],
        "responses": _responses(),
    }
    if method in ("POST", "PUT", "PATCH"):
        types = (FORM,) if address.form else PATCH_TYPES if method == "PATCH" else FORMATS
        made["requestBody"] = {"required": not address.bodiless, "content": _content(types)}
    return made | ({"security": []} if address.public else {})


def _content(types: Iterable[str]) -> Json:
    schema = {"$ref": "#/components/schemas/Resource"}
    return {one: {"schema": schema if one in FORMATS else {"type": ["object", "array"]}} for one in types}


def _responses() -> Json:
    return {
        "2XX": {"$ref": "#/components/responses/resource"},
        "default": {"$ref": "#/components/responses/refused"},
    }


def _of_type(resource: Json, route: BaseRoute) -> Json:
    """What a type answers: its searches take its parameters."""
    assert isinstance(route, Route)
    address, name = route.app, resource["type"]
    assert isinstance(address, Address)
    item: Json = {}
    for method in address.handlers:
        if address.methods is None or method in address.methods({"type": name}):
            item[method.lower()] = _method(address, method, f"/{name}") | {"tags": [name]}
    item["get"]["parameters"] = [
        {"name": one["name"], "in": "query", "description": one["type"], "schema": {"type": "string"}}
        for one in resource["searchParam"]
    ]
    return item


def _operations(rows: Iterable[Operation]) -> Iterator[tuple[str, Json]]:
    """The paths of operations: those for some types by these, those for all with a place for the type."""
    found: dict[str, Json] = {}
    for row in rows:
        for level in sorted(row.levels):
            for type_name in ["{type}"] if row.types is None else sorted(row.types):
                where = {"system": "", "type": f"/{type_name}", "instance": f"/{type_name}/{{id}}"}[level]
                found[f"{where}/${row.name}"] = _operation_item(row, f"{where}/${row.name}")
    return iter(found.items())


def _operation_item(row: Operation, path: str) -> Json:
    places = [_place(name) for name in PLACE.findall(path)]
    item: Json = {"parameters": places} if places else {}
    for method in sorted(row.methods):
        one: Json = {
            "operationId": f"{method}:{path}",
            "summary": f"${row.name}",
            "description": row.definition.description,
            "tags": ["Operations"],
            "responses": _responses(),
        }
        taken = [parameter for name, parameter in row.definition.inputs.items() if name not in row.refused]
        if method == "POST":
            names = ", ".join(parameter.name for parameter in taken) or "none"
            one["requestBody"] = {"description": f"Parameters: {names}", "content": _content(FORMATS)}
        else:
            one["parameters"] = [_query(parameter) for parameter in taken if _is_simple(parameter)]
        item[method.lower()] = one
    return item


def _is_simple(parameter: Parameter) -> bool:
    return parameter.type[:1].islower() and not parameter.part


def _query(parameter: Parameter) -> Json:
    schema: Json = {"type": SCHEMA_OF.get(parameter.type, "string")}
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.min > 0,
        "description": parameter.documentation,
        "schema": {"type": "array", "items": schema} if parameter.max == MANY else schema,
    }
