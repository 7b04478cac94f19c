"""CodeSystems for tests, and operations called on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from healix_fhir.interaction.service import Interactions
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.fhir_server import SYSTEM
from tests.support.operation import run

Json = dict[str, Any]
COLOURS = "http://example.org/colours"


def code_system(*concepts: Json | str, **elements: Any) -> Json:
    """A CodeSystem, of codes alone or of concepts; `elements` replace or add."""
    body = {"resourceType": "CodeSystem", "url": COLOURS, "status": "active", "content": "complete"}
    listed = [{"code": one} if isinstance(one, str) else one for one in concepts]
    return {**body, **({"concept": listed} if listed else {}), **elements}


async def call(
    server: Interactions, name: str, query: str | Json, *, id_: str | None = None, access: AccessContext = SYSTEM
) -> Json:
    """The JSON that an operation on CodeSystems answers: called with a query, or with parameters by name."""
    if isinstance(query, str):
        asked = Invocation(tuple(parse_qsl(query)), type="CodeSystem", id=id_, method="GET")
    else:
        asked = Invocation(body=encode(parameters(query)), type="CodeSystem", id=id_)
    answer: Json = decode(await run(name, server, access, asked))
    return answer


def parameters(given: Mapping[str, Any]) -> Json:
    """A Parameters resource: values as they stand in it, resources among them."""
    parts = [{"name": name, **({"resource": v} if "resourceType" in v else v)} for name, v in given.items()]
    return {"resourceType": "Parameters", "parameter": parts}


def value(answer: Json, name: str) -> Any:
    """The value of the one parameter `name` of an answer; None without it."""
    for part in answer["parameter"]:
        if part["name"] == name:
            return next(v for key, v in part.items() if key.startswith("value"))
    return None


def properties(answer: Json) -> dict[str, list[Any]]:
    """The values of the properties that $lookup answers, by code."""
    found: dict[str, list[Any]] = {}
    for part in answer["parameter"]:
        if part["name"] == "property":
            inner = {"parameter": part["part"]}
            found.setdefault(value(inner, "code"), []).append(value(inner, "value"))
    return found
