"""Search at every level, by GET and by POST of a form: parameters of URL and form together.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#search
"""

from __future__ import annotations

from healix_fhir.api.bundle import bundle
from healix_fhir.api.call import Answer, Call
from healix_fhir.api.prefer import parse_prefer
from healix_fhir.interaction.service import Interactions
from healix_fhir.search.searched import ANY, Searched, everything, one_type, within


async def of_type(interactions: Interactions, call: Call) -> Answer:
    """`[base]/[type]?...` and `[base]/[type]/_search`."""
    return await _search(interactions, call, one_type(call.path["type"]))


async def of_compartment(interactions: Interactions, call: Call) -> Answer:
    """`[base]/[compartment]/[id]/[type]?...`, with `*` for every type, and the same before `/_search`."""
    return await _search(interactions, call, within(call.path["type"], call.path["id"], call.path.get("other", ANY)))


async def of_everything(interactions: Interactions, call: Call) -> Answer:
    """`[base]?...` and `[base]/_search`."""
    return await _search(interactions, call, everything())


async def _search(interactions: Interactions, call: Call, searched: Searched) -> Answer:
    strict = parse_prefer(call.header(b"prefer")).strict
    page = await interactions.search(call.access, searched, call.params, strict=strict)
    return await bundle(page, interactions.bases[0], searched.path)
