"""All resources of a type: create and search.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#create, #search
"""

from __future__ import annotations

from healix_fhir.api.bundle import bundle
from healix_fhir.api.call import Answer, Call
from healix_fhir.api.conditional import refuse_condition
from healix_fhir.api.prefer import parse_prefer
from healix_fhir.api.written import written
from healix_fhir.interaction.service import Interactions


async def create(interactions: Interactions, call: Call) -> Answer:
    """`POST [base]/[type]`."""
    refuse_condition(call.headers, b"if-none-exist", "conditional create (If-None-Exist)")
    done = await interactions.create(call.access, call.path["type"], call.body)
    return written(call, done, interactions.bases[0])


async def search(interactions: Interactions, call: Call) -> Answer:
    """`GET [base]/[type]?…` and `POST [base]/[type]/_search`: parameters of URL and form together."""
    strict = parse_prefer(call.header(b"prefer")).strict
    page = await interactions.search(call.access, call.path["type"], call.params, strict=strict)
    return await bundle(page, interactions.bases[0], call.path["type"])
