"""All resources of a type: create, and the conditional update, patch and delete of those that match.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#create, #ccreate, #cond-update, #patch, #delete
"""

from __future__ import annotations

from healix_fhir.api.call import Answer, Call
from healix_fhir.api.conditional import if_match, only_new
from healix_fhir.api.refused import check_no_condition
from healix_fhir.api.written import deleted, written
from healix_fhir.interaction.service import Interactions


async def create(interactions: Interactions, call: Call) -> Answer:
    """`POST [base]/[type]`, also with If-None-Exist.

    A condition in the URL, where some clients put it, is refused: unheeded it would make duplicates.
    """
    if call.params:
        check_no_condition(call.params, "the condition of a create belongs in If-None-Exist")
    done = await interactions.create(call.access, call.path["type"], call.body, call.header(b"if-none-exist"))
    return written(call, done, interactions.bases[0])


async def update(interactions: Interactions, call: Call) -> Answer:
    """`PUT [base]/[type]?…`."""
    done = await interactions.update_where(
        call.access,
        call.path["type"],
        call.params,
        call.body,
        if_match(call.headers),
        only_new=only_new(call.headers),
    )
    return written(call, done, interactions.bases[0])


async def patch(interactions: Interactions, call: Call) -> Answer:
    """`PATCH [base]/[type]?…`."""
    done = await interactions.patch_where(
        call.access, call.path["type"], call.params, call.body, call.content_type, if_match(call.headers)
    )
    return written(call, done, interactions.bases[0])


async def delete(interactions: Interactions, call: Call) -> Answer:
    """`DELETE [base]/[type]?…`."""
    gone = await interactions.delete_where(call.access, call.path["type"], call.params, if_match(call.headers))
    return deleted(call, gone)
