"""The body of a request, complete and no larger than it may be.

Spec: RFC 9110 8.6, 15.5.14
"""

from __future__ import annotations

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from healix_fhir.api.call import Headers
from healix_fhir.kernel.errors import HealixError, invalid, too_large

MB = 1 << 20


async def read_body(receive: Receive, headers: Headers, limit: int) -> bytes:
    """All of the body. Raises TooLarge past `limit` bytes, by what is announced or else by what arrives."""
    announced = headers.get(b"content-length")
    if announced is not None:
        if not announced.isdigit():
            raise invalid("Content-Length is not a number", code="structure")
        if int(announced) > limit:
            raise over(limit)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise over(limit)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def over(limit: int) -> HealixError:
    """The refusal of a body that is larger than `limit` bytes."""
    return too_large(f"the request's body is larger than {limit // MB} MB")
