"""The answer to a write: 201 or 200 with Location, entity tag and what the caller prefers to get back.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#create, #update, #delete, #ops
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from healix_fhir.api.call import Answer, Call
from healix_fhir.api.conditional import version_headers
from healix_fhir.api.prefer import Return, parse_prefer
from healix_fhir.interaction.result import Stored, Written
from healix_fhir.interaction.status import success


def deleted(call: Call, gone: Sequence[Stored]) -> Answer:
    """The answer to a delete of what is now `gone`: 204 without a body, or 200 with an outcome for who prefers one."""
    headers = version_headers(gone[0])[:1] if len(gone) == 1 else ()
    if parse_prefer(call.header(b"prefer")).returns is not Return.OUTCOME:
        return Answer(HTTPStatus.NO_CONTENT.value, headers=headers)
    names = ", ".join(f"{stored.type}/{stored.id}" for stored in gone)
    return Answer(
        HTTPStatus.OK.value, success(f"deleted: {names}" if names else "there was nothing to delete"), headers
    )


def written(call: Call, done: Written, base: str) -> Answer:
    """The answer to a create or update."""
    stored = done.stored
    location = f"{base}/{stored.type}/{stored.id}/_history/{stored.version}".encode()
    status = HTTPStatus.CREATED if done.created else HTTPStatus.OK
    returns = parse_prefer(call.header(b"prefer")).returns
    body = stored.body
    if returns is Return.MINIMAL:
        body = b""
    elif returns is Return.OUTCOME:
        body = success(done.told)
    located = b"location" if done.created or call.method == "POST" else b"content-location"
    headers = (*version_headers(stored), (located, location))
    return Answer(status.value, body, headers)
