"""The server as a whole: its capabilities, batch and transaction.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#capabilities, #transaction
"""

from __future__ import annotations

import msgspec

from healix_fhir.api.bundle import bundle
from healix_fhir.api.call import Answer, Call
from healix_fhir.api.prefer import parse_prefer
from healix_fhir.interaction.known import READ, known
from healix_fhir.interaction.service import Interactions
from healix_fhir.operation import capabilities as statement
from healix_fhir.operation.entry import run_entry


async def capabilities(interactions: Interactions, call: Call) -> Answer:
    """`GET [base]/metadata`."""
    strict = parse_prefer(call.header(b"prefer")).strict
    return Answer(200, await statement.capabilities(interactions, call.params, strict=strict))


async def transact(interactions: Interactions, call: Call) -> Answer:
    """`POST [base]`: a batch or transaction."""
    prefer = parse_prefer(call.header(b"prefer"))
    known(call.params, READ, strict=prefer.strict)
    page = await interactions.bundle(
        call.access, call.body, returns=prefer.returns, strict=prefer.strict, call=run_entry
    )
    answer = await bundle(page, interactions.bases[0], "")
    return msgspec.structs.replace(answer, denials=page.denials) if page.denials else answer
