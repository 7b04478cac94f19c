"""$versions: which versions of FHIR this server speaks.

Spec: FHIR R4, hl7.org/fhir/R4/capabilitystatement-operation-versions.html
"""

from __future__ import annotations

from healix_fhir.interaction.service import Interactions
from healix_fhir.model.json import encode
from healix_fhir.model.operation_definition import standard
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext

VERSIONS = standard("CapabilityStatement-versions")
VERSION = "4.0"


async def versions(_interactions: Interactions, _access: AccessContext, _invocation: Invocation) -> bytes:
    """The one version, which is the default."""
    parts = [{"name": name, "valueCode": VERSION} for name in ("version", "default")]
    return encode({"resourceType": "Parameters", "parameter": parts})
