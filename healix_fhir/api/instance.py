"""One resource: read, vread, update, patch, delete.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#read, #vread, #update, #patch, #delete
"""

from __future__ import annotations

import msgspec

from healix_fhir.api.binary import BINARY, native
from healix_fhir.api.call import Answer, Call
from healix_fhir.api.conditional import if_match, not_modified, only_new, version_headers
from healix_fhir.api.prefer import parse_prefer
from healix_fhir.api.refused import check_no_condition
from healix_fhir.api.written import deleted, written
from healix_fhir.interaction.known import known
from healix_fhir.interaction.result import Stored
from healix_fhir.interaction.service import Interactions
from healix_fhir.model.subset import part_of_one

CONDITIONAL = "a condition stands behind the type, without an id"


async def read(interactions: Interactions, call: Call) -> Answer:
    """`GET [base]/[type]/[id]`."""
    _check(call)
    return _found(call, await interactions.read(call.access, call.path["type"], call.path["id"]))


async def vread(interactions: Interactions, call: Call) -> Answer:
    """`GET [base]/[type]/[id]/_history/[vid]`."""
    _check(call)
    path = call.path
    return _found(call, await interactions.vread(call.access, path["type"], path["id"], path["version"]))


async def update(interactions: Interactions, call: Call) -> Answer:
    """`PUT [base]/[type]/[id]`."""
    check_no_condition(call.params, CONDITIONAL)
    done = await interactions.update(
        call.access,
        call.path["type"],
        call.path["id"],
        call.body,
        if_match(call.headers),
        only_new=only_new(call.headers),
    )
    return written(call, done, interactions.bases[0])


async def patch(interactions: Interactions, call: Call) -> Answer:
    """`PATCH [base]/[type]/[id]`."""
    check_no_condition(call.params, CONDITIONAL)
    type_name, id_ = call.path["type"], call.path["id"]
    done = await interactions.patch(call.access, type_name, id_, call.body, call.content_type, if_match(call.headers))
    return written(call, done, interactions.bases[0])


async def delete(interactions: Interactions, call: Call) -> Answer:
    """`DELETE [base]/[type]/[id]`."""
    check_no_condition(call.params, CONDITIONAL)
    gone = await interactions.delete(call.access, call.path["type"], call.path["id"], if_match(call.headers))
    return deleted(call, [gone] if gone is not None else [])


def _check(call: Call) -> None:
    if call.params:
        known(call.params, strict=parse_prefer(call.header(b"prefer")).strict)


def _found(call: Call, stored: Stored) -> Answer:
    headers = version_headers(stored)
    if not_modified(call.headers, stored):
        return Answer(304, b"", headers)
    if stored.type == BINARY and (found := native(call, stored)) is not None:
        return msgspec.structs.replace(found, headers=headers + found.headers)
    return Answer(200, part_of_one(stored.body, stored.type, call.params), headers)
