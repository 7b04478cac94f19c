"""The capability statement as it is read, alone or as an entry of a bundle.

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

MODES = ("full", "normative")


def capabilities(interactions: Interactions, params: Sequence[tuple[str, str]], *, strict: bool = False) -> bytes:
    """The JSON of the statement, or of the part that is wanted. Raises Unsupported for another mode, or Invalid."""
    for name, value in known(params, READ | {"mode"}, strict=strict):
        if name == "mode" and value not in MODES:
            raise unsupported(f"metadata in mode {value[:64]} is not supported")
    return part_of_one(_statement(interactions), "CapabilityStatement", params)


@derived
def _statement(interactions: Interactions) -> bytes:
    return encode(interactions.capabilities(interactions.bases[0].removesuffix("/fhir"), offered()))
