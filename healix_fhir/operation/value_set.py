"""Which value set a call of an operation means: by url, by id, as sent, or as what an element is bound to.

Spec: FHIR R4, hl7.org/fhir/R4/valueset-operation-expand.html, hl7.org/fhir/R4/valueset-operation-validate-code.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import invalid
from healix_fhir.model.json import decode_stored
from healix_fhir.operation.context import bound_to
from healix_fhir.operation.given import Given
from healix_fhir.operation.invocation import Invocation
from healix_fhir.store.read import read
from healix_fhir.terminology.resolve import sources
from healix_fhir.terminology.value_sets import Source
from smart_auth.access import AccessContext

WAYS = ("url", "valueSet", "context")


async def context_of(interactions: Interactions, access: AccessContext, given: Given) -> str | None:
    """The value set that an element is bound to, where the call names one by `context`; None without."""
    context = given.text("context")
    return None if context is None else await bound_to(interactions, access, context)


def source_of(access: AccessContext, invocation: Invocation, context: str | None) -> Work[Source]:
    """The value set that is meant. Raises Invalid where none, or more than one, is named or known."""
    given = invocation.given
    ways = [way for way in WAYS if way in given]
    if len(ways) + (invocation.id is not None) != 1:
        raise invalid(
            f"a value set is named once, by {', '.join(WAYS)} or its id", code="required", expression=("url",)
        )
    if invocation.id is not None:
        stored = yield from read(access, "ValueSet", invocation.id)
        return Source(decode_stored(bytes(stored.body)))
    if (sent := given.json("valueSet")) is not None:
        return Source(sent)
    url = given.text("url") or str(context)
    version = given.text("valueSetVersion")
    canonical = f"{url}|{version}" if version and "|" not in url else url
    return (yield from sources(access, {canonical}))[canonical]
