"""The answer to a write: 201 or 200 with Location, entity tag and what the caller prefers to get back.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#create, #update, #ops
"""

from __future__ import annotations

from http import HTTPStatus

from healix_fhir.api.call import Answer, Call
from healix_fhir.api.conditional import version_headers
from healix_fhir.api.outcome import success
from healix_fhir.api.prefer import Return, parse_prefer
from healix_fhir.interaction.result import Written


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
        what = "was created" if done.created else "was updated" if done.changed else "was as it should be already"
        body = success(f"{stored.type}/{stored.id} {what}")
    headers = (*version_headers(stored), (b"location" if done.created else b"content-location", location))
    return Answer(status.value, body, headers)
