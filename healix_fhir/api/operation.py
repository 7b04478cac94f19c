"""Operations: what the registry holds is run, every other one is refused by name.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html
"""

from __future__ import annotations

from healix_fhir.api.call import Answer, Call
from healix_fhir.api.negotiation import XML_TYPES
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.registry import find


async def operation(interactions: Interactions, call: Call) -> Answer:
    """`[base]/$name`, `[base]/[type]/$name`, `[base]/[type]/[id]/$name`."""
    as_sent = call.content_type not in XML_TYPES
    asked = Invocation(tuple(call.params), call.body, call.path.get("type"), call.path.get("id"), as_sent, call.method)
    found = find(call.path["operation"], asked)
    if call.method not in found.methods:
        raise HealixError(Category.NOT_ALLOWED, f"${found.name} is called with {' or '.join(sorted(found.methods))}")
    result = await found.run(interactions, call.access, asked)
    if isinstance(result, bytes):
        return Answer(200, result)
    headers = tuple((name.encode(), value.encode()) for name, value in result.headers)
    return Answer(result.status, result.body, headers)
