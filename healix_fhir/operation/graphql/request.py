"""What a GraphQL call sends: the document, the values of its variables, and which of its operations is meant.

`query`, `variables` and `operationName` stand in the address, in a JSON object, in a Parameters resource (`query`
alone), or the body is the document itself (`application/graphql`).

Spec: FHIR R4, hl7.org/fhir/R4/graphql.html#invoking; graphql.org/learn/serving-over-http
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from healix_fhir.kernel.errors import HealixError, invalid, too_large
from healix_fhir.model.json import decode
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.reading import RENDERING

MEDIA = "application/graphql"
LONGEST = 100_000
NAMES = ("query", "variables", "operationName", "extensions")
"""`extensions` is the client's own: it is left alone."""


class Asked(msgspec.Struct, frozen=True):
    """A document as it was sent."""

    query: str
    variables: Mapping[str, Any] = {}
    operation: str | None = None


def asked(invocation: Invocation) -> Asked:
    """What a call asks for. Raises Invalid, TooLarge."""
    members = _of_address(invocation.params)
    if invocation.body.strip():
        for name, value in _of_body(invocation).items():
            if value is not None and members.setdefault(name, value) is not value:
                raise invalid(f"$graphql: '{name}' stands in the address and in the body", code="value")
    query, variables, operation = (members.get(name) for name in NAMES[:3])
    if not isinstance(query, str) or not query.strip():
        raise invalid("$graphql needs a query", code="required", expression=("query",))
    if len(query) > LONGEST:
        raise too_large(f"$graphql: a query has at most {LONGEST} characters")
    if isinstance(variables, str):
        variables = _decoded(variables.encode(), "variables") if variables.strip() else None
    if variables is not None and not isinstance(variables, dict):
        raise invalid("$graphql: variables are a JSON object", code="value", expression=("variables",))
    if operation is not None and not isinstance(operation, str):
        raise invalid("$graphql: operationName is a string", code="value", expression=("operationName",))
    return Asked(query, variables or {}, operation or None)


def _of_address(params: Sequence[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in params:
        if name in RENDERING:
            continue
        if name not in NAMES or name in found:
            raise invalid(f"$graphql takes {', '.join(NAMES[:3])} once; not '{name[:64]}'", code="value")
        found[name] = value
    return found


def _of_body(invocation: Invocation) -> dict[str, Any]:
    if invocation.content_type == MEDIA:
        try:
            return {"query": invocation.body.decode()}
        except UnicodeDecodeError as error:
            raise invalid("$graphql: the query is not valid UTF-8", code="structure") from error
    members = _decoded(invocation.body, "the body")
    if members.get("resourceType") == "Parameters":
        return _of_parameters(members)
    for name in members:
        if name not in NAMES:
            raise invalid(f"$graphql takes {', '.join(NAMES[:3])}; not '{name[:64]}'", code="value")
    return members


def _of_parameters(resource: dict[str, Any]) -> dict[str, Any]:
    parts = resource.get("parameter")
    part = parts[0] if isinstance(parts, list) and len(parts) == 1 else None
    if not isinstance(part, dict) or part.keys() != {"name", "valueString"} or part["name"] != "query":
        raise invalid("$graphql takes the one parameter 'query', a valueString", code="value", expression=("query",))
    return {"query": part["valueString"]}


def _decoded(text: bytes, what: str) -> dict[str, Any]:
    try:
        return decode(text)
    except HealixError as error:
        raise invalid(f"$graphql: {what}: {error.message}", code="structure") from error
