"""An operation as an entry of a batch: `POST Type/$name` with its resource, or `GET Type/id/$name?…`.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html#executing, hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import Category, HealixError
from healix_fhir.model.json import encode
from healix_fhir.operation.invocation import Invocation
from healix_fhir.operation.registry import find
from smart_auth.access import AccessContext


async def run_entry(interactions: Interactions, access: AccessContext, wanted: Wanted) -> bytes:
    """The JSON of the resource that the operation answers with. Raises as `registry.run` does."""
    *where, name = wanted.path
    body = encode(wanted.resource) if wanted.resource is not None else b""
    type_name, id_ = (*where[:2], None, None)[:2]
    asked = Invocation(wanted.params, body, type_name, id_, method=wanted.method)
    found = find(name.removeprefix("$"), asked)
    method = "GET" if wanted.method == "HEAD" else wanted.method
    if method not in found.methods or len(where) > 2:
        called = f"{method} {'/'.join(wanted.path)[:100]}"
        raise HealixError(Category.NOT_ALLOWED, f"${found.name} is not called by {called}")
    result = await found.run(interactions, access, asked)
    if not isinstance(result, bytes):
        raise HealixError(Category.NOT_ALLOWED, f"${found.name} is not called in a batch: its answer is not of one")
    return result
