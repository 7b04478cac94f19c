"""$fhirpath: the result of an expression on a resource that comes with the call.

Nothing is read from the store, so that any token may call it; references outside the resource are not resolved.
Parameters `expression` and `resource`, and `strict` to have misspelt elements refused. Each item of the result is a
parameter `result`.

Spec: FHIRPath N1 (2.0.0), hl7.org/fhirpath/N1/; FHIR R4, hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

import asyncio
from typing import Any

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError, too_large
from healix_fhir.model import validate as structure
from healix_fhir.model.fhirpath.engine import Environment, Node, compile_expression
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import MANY
from healix_fhir.operation.declaring import into, out, own
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.result_part import result_part
from smart_auth.access import AccessContext

STEPS = 200_000
"""The budget of a caller's expression: some tenths of a second."""

RESULTS = 1000
"""The items that one answer holds."""

FHIRPATH = own(
    "fhirpath",
    "The result of a FHIRPath expression on a resource that comes with the call. Nothing is read from the store.",
    into("expression", "string", "The expression", least=1),
    into("resource", "Resource", "What it is evaluated on; its values may be invalid, not its structure", least=1),
    into("strict", "boolean", "Whether elements that the resource's type does not have are errors"),
    out("result", "Any", "An item of the result", least=0, most=MANY),
    levels=("system",),
)


async def fhirpath(_interactions: Interactions, _access: AccessContext, invocation: Invocation) -> bytes:
    """The Parameters with the results. Raises Invalid for what is no FHIRPath, or fails on the resource."""
    given = invocation.given
    found = await asyncio.to_thread(
        _evaluate, given.one("expression"), given.one("resource"), strict=given.flag("strict")
    )
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
    type_name = str(resource["resourceType"])
    issues = tuple(issue for issue in structure.validate(resource, type_name) if issue.code == "structure")
    if issues:
        raise HealixError(Category.INVALID, "the resource has not the structure of its type", issues=issues)
    return type_name
