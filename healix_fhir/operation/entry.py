"""An operation as an entry of a bundle: `POST Type/$name` with its resource, or `GET Type/id/$name?…`; or `metadata`.

In a transaction, where it would have to see what the other entries make, only such operations are run as tell nothing
of stored resources. Definitions that the transaction itself writes do not count yet for its `$validate`.

Spec: FHIR R4, hl7.org/fhir/R4/operations.html#executing, hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from healix_fhir.interaction.entry import METADATA
from healix_fhir.interaction.service import Interactions
from healix_fhir.interaction.wanted import Wanted
from healix_fhir.kernel.errors import Category, HealixError, unsupported
from healix_fhir.model.json import encode
from healix_fhir.operation.capabilities import capabilities
from healix_fhir.operation.invocation import Invocation, Outcome
from healix_fhir.operation.operation import Operation
from healix_fhir.operation.registry import find, run
from smart_auth.access import AccessContext


async def run_entry(interactions: Interactions, access: AccessContext, wanted: Wanted, kind: str) -> bytes:
    """The JSON of the resource that the operation answers with, in a bundle of `kind`.

    Raises as `registry.find` does, NotAllowed for another method, Unsupported for what cannot be an entry.
    """
    if wanted.path == METADATA:
        if wanted.method not in ("GET", "HEAD"):
            raise HealixError(Category.NOT_ALLOWED, f"metadata is not for {wanted.method}")
        return await capabilities(interactions, wanted.params)
    found, asked = called(wanted, kind)
    result = await run(found, interactions, access, asked)
    return result.body if isinstance(result, Outcome) else result


def called(wanted: Wanted, kind: str) -> tuple[Operation, Invocation]:
    """The operation that an entry calls, and the call."""
    *where, name = wanted.path
    body = encode(wanted.resource) if wanted.resource is not None else b""
    type_name, id_ = (*where[:2], None, None)[:2]
    method = "GET" if wanted.method == "HEAD" else wanted.method
    asked = Invocation(wanted.params, body, type_name, id_, method=method)
    found = find(name.removeprefix("$"), asked)
    if method not in found.methods or len(where) > 2:
        address = f"{method} {'/'.join(wanted.path)[:100]}"
        raise HealixError(Category.NOT_ALLOWED, f"${found.name} is not called by {address}")
    levels = found.within.get(kind, frozenset())
    if asked.level not in levels:
        level = f" on the {asked.level} level" if levels else ""
        raise unsupported(f"the operation ${found.name}{level} is not supported in a {kind}")
    return found, asked
