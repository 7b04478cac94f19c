"""$convert: a resource in the format that the caller asks for.

The HTTP edge reads and writes both formats, so that the resource comes back as it is. It is the answer itself, as in
later versions of FHIR: R4 calls the one parameter that comes out `output`.

Spec: FHIR R4, hl7.org/fhir/R4/resource-operation-convert.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.declaring import changed
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext

CONVERT = changed(
    standard("Resource-convert"), "JSON and XML, by Content-Type and Accept; the answer is the resource itself."
)


async def convert(_interactions: Interactions, _access: AccessContext, invocation: Invocation) -> bytes:
    """The resource, which must have the structure of its type."""
    return encode(invocation.given.json("input"))
