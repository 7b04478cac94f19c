"""The capability statements as they are read, alone or as an entry of a bundle.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#capabilities
"""

from __future__ import annotations

from collections.abc import Sequence

from healix_fhir.interaction.known import READ, known
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import unsupported
from healix_fhir.model.custom import derived
from healix_fhir.model.json import encode
from healix_fhir.model.subset import part_of_one
from healix_fhir.operation.registry import offered
from healix_fhir.operation.terminology_capabilities import terminology_capabilities
from healix_fhir.subscription.declared import declared

MODES = ("full", "normative")
TERMINOLOGY = "terminology"


async def capabilities(interactions: Interactions, params: Sequence[tuple[str, str]], *, strict: bool = False) -> bytes:
    """The JSON of the statement that `mode` asks for, or of the part that is wanted. Raises Unsupported, or Invalid."""
    mode = next((value for name, value in known(params, READ | {"mode"}, strict=strict) if name == "mode"), MODES[0])
    if mode == TERMINOLOGY:
        told = await terminology_capabilities(interactions)
        return part_of_one(told, "TerminologyCapabilities", params)
    if mode not in MODES:
        raise unsupported(f"metadata in mode {mode[:64]} is not supported")
    return part_of_one(_statement(interactions), "CapabilityStatement", params)


@derived
def _statement(interactions: Interactions) -> bytes:
    root = interactions.bases[0].removesuffix("/fhir")
    return encode(declared(interactions.capabilities(root, offered()), root))
