"""History at every level.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from healix_fhir.api.bundle import bundle
from healix_fhir.api.call import Answer, Call
from healix_fhir.api.prefer import parse_prefer
from healix_fhir.interaction.service import Interactions


async def history(interactions: Interactions, call: Call) -> Answer:
    """`[base]/[type]/[id]/_history`, `[base]/[type]/_history` and `[base]/_history`."""
    type_name, id_ = call.path.get("type"), call.path.get("id")
    strict = parse_prefer(call.header(b"prefer")).strict
    page = await interactions.history(call.access, type_name, id_, call.params, strict=strict)
    return await bundle(page, interactions.bases[0], "/".join(part for part in (type_name, id_, "_history") if part))
