"""The way out: an answer in the caller's format, compressed where that is worth it. Small JSON goes out as stored.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#mime-type; RFC 9110 8.4, 12.5.3
"""

from __future__ import annotations

from typing import NamedTuple

from starlette.types import Send

from healix_fhir.api.call import Answer, Headers
from healix_fhir.api.coding import WORTHWHILE, deflated, takes_gzip
from healix_fhir.api.negotiation import Format
from healix_fhir.api.rendering import rendered

NO_CONTENT = (204, 304)


class Body(NamedTuple):
    """What is sent, and its Content-Type."""

    content: bytes
    content_type: bytes


async def render(answer: Answer, format_: Format, *, pretty: bool) -> Body:
    """The body of `answer`. Raises NotAcceptable where the format cannot hold it."""
    if answer.content_type is not None:
        return Body(answer.body, answer.content_type)
    if answer.body and (format_.xml or pretty):
        return Body(await rendered(answer.body, format_, pretty=pretty), format_.content_type)
    return Body(answer.body, format_.content_type)


async def respond(send: Send, answer: Answer, body: Body, request: Headers, *, head: bool) -> None:
    """Send an answer to a request with these headers."""
    content = body.content
    headers = [(b"cache-control", b"no-store"), *answer.headers]
    if answer.status not in NO_CONTENT:
        if content:
            headers.append((b"content-type", body.content_type))
            if len(content) >= WORTHWHILE and takes_gzip(request.get(b"accept-encoding", b"")):
                content = await deflated(content)
                headers += [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
        headers.append((b"content-length", b"%d" % len(content)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else content})
