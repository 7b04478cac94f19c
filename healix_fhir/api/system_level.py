"""The server as a whole: its capabilities, batch and transaction.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#capabilities, #transaction
"""

from __future__ import annotations

from functools import lru_cache

from healix_fhir.api.bundle import bundle
from healix_fhir.api.call import Answer, Call
from healix_fhir.api.prefer import parse_prefer
from healix_fhir.interaction.known import READ, known
from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.errors import unsupported
from healix_fhir.model.custom import Custom, current
from healix_fhir.model.json import encode
from healix_fhir.model.subset import part_of_one
from healix_fhir.operation.entry import run_entry
from healix_fhir.operation.registry import offered

MODES = ("full", "normative")


async def capabilities(interactions: Interactions, call: Call) -> Answer:
    """`GET [base]/metadata`."""
    for name, value in known(call.params, READ | {"mode"}, strict=parse_prefer(call.header(b"prefer")).strict):
        if name == "mode" and value not in MODES:
            raise unsupported(f"metadata in mode {value[:64]} is not supported")
    statement = _statement(interactions, current())
    return Answer(200, part_of_one(statement, "CapabilityStatement", call.params))


@lru_cache(maxsize=1)
def _statement(interactions: Interactions, _of: Custom) -> bytes:
    """The statement; another one when there are other search parameters."""
    return encode(interactions.capabilities(interactions.bases[0].removesuffix("/fhir"), offered()))


async def transact(interactions: Interactions, call: Call) -> Answer:
    """`POST [base]`: a batch or transaction."""
    prefer = parse_prefer(call.header(b"prefer"))
    known(call.params, READ, strict=prefer.strict)
    page = await interactions.bundle(
        call.access, call.body, returns=prefer.returns, strict=prefer.strict, call=run_entry
    )
    return await bundle(page, interactions.bases[0], "")
