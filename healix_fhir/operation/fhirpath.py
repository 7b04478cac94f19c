"""$fhirpath: the result of an expression on a resource that comes with the call.

Nothing is read from the store, so that any token may call it; references outside the resource are not resolved.
Parameters `expression` and `resource`, and `strict` to have misspelt elements refused. Each item of the result is a
parameter `result`.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/; FHIR R4, hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError, invalid, too_large
from healix_fhir.model import validate as structure
from healix_fhir.model.definitions import TYPE_ID
from healix_fhir.model.fhirpath.engine import Environment, Node, compile_expression
from healix_fhir.model.json import decode, encode
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.result_part import result_part
from smart_auth.access import AccessContext

STEPS = 200_000
"""The budget of a caller's expression: some tenths of a second."""

RESULTS = 1000
"""The items that one answer holds."""

RENDERING = ("_format", "_pretty")  # the HTTP edge's


class Asked(msgspec.Struct):
    """What a call of $fhirpath holds."""

    expression: str | None = None
    resource: dict[str, Any] | None = None
    strict: bool = False


async def fhirpath(_interactions: Interactions, _access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with the results. Raises Invalid for what is no call, no FHIRPath, or fails on the resource."""
    asked = _asked(invocation)
    if asked.expression is None:
        raise invalid("there is no expression", code="required", expression=("expression",))
    if asked.resource is None:
        raise invalid("there is no resource", code="required", expression=("resource",))
    found = await asyncio.to_thread(_evaluate, asked.expression, asked.resource, strict=asked.strict)
    parts = [result_part("result", node) for node in found]
    return encode({"resourceType": "Parameters"} | ({"parameter": parts} if parts else {}))


def _evaluate(expression: str, resource: dict[str, Any], *, strict: bool) -> list[Node]:
    compiled = compile_expression(expression)
    type_name = _shaped(resource)
    if strict:
        compiled.check(type_name)
    found = compiled.evaluate(resource, environment=Environment(steps=STEPS))
    if len(found) > RESULTS:
        raise too_large(f"the expression has {len(found)} results; $fhirpath answers {RESULTS}: narrow it, or count()")
    return found


def _shaped(resource: dict[str, Any]) -> str:
    """The type of a resource that has the shape of one: what it finds is written back. Wrong values are no matter."""
    type_name = resource.get("resourceType")
    if not isinstance(type_name, str) or type_name not in TYPE_ID:
        raise invalid("the resource is of no type of R4", code="structure", expression=("resource.resourceType",))
    issues = tuple(issue for issue in structure.validate(resource, type_name) if issue.code == "structure")
    if issues:
        raise HealixError(Category.INVALID, "the resource has not the structure of its type", issues=issues)
    return type_name


def _asked(invocation: Invocation) -> Asked:
    for name, _ in invocation.params:
        if name not in RENDERING:
            raise _refuse(name)
    body = decode(invocation.body) if invocation.body else {}
    if body.get("resourceType") != "Parameters":
        raise invalid("$fhirpath takes a Parameters resource", code="structure", expression=("Parameters",))
    problems = structure.validate({key: value for key, value in body.items() if key != "parameter"}, "Parameters")
    parameters = body.get("parameter", [])
    if problems or not isinstance(parameters, list) or not all(isinstance(part, dict) for part in parameters):
        raise invalid("the Parameters resource is not valid", code="structure", expression=("Parameters",))
    asked = Asked()
    for part in parameters:
        _take(asked, part)
    return asked


def _take(asked: Asked, part: dict[str, Any]) -> None:
    name = part.get("name")
    if name == "expression" and isinstance(part.get("valueString"), str):
        asked.expression = part["valueString"]
    elif name == "resource" and isinstance(part.get("resource"), dict):
        asked.resource = part["resource"]
    elif name == "strict" and isinstance(part.get("valueBoolean"), bool):
        asked.strict = part["valueBoolean"]
    else:
        raise _refuse(str(name))


def _refuse(name: str) -> Exception:
    return invalid(f"$fhirpath does not take the parameter {name[:64]}", code="value", expression=("Parameters",))
