"""Operations by name, as a test calls them: what they answer, without the trail."""

from __future__ import annotations

import msgspec

from healix_fhir.interaction.service import Interactions
from healix_fhir.operation.invocation import Invocation, Outcome
from healix_fhir.operation.registry import find
from smart_auth.access import AccessContext


async def run(name: str, interactions: Interactions, access: AccessContext, invocation: Invocation) -> bytes:
    """The JSON of the resource that the operation `name` (without `$`) answers with."""
    operation = find(name, invocation)
    called = msgspec.structs.replace(invocation, given=operation.read(invocation))
    result = await operation.run(interactions, access, called)
    return result.body if isinstance(result, Outcome) else result
