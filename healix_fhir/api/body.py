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
            raise _over(limit)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _over(limit)
        return body
    return await _join(receive, message.get("body", b""), limit, ended=message["type"] == "http.disconnect")


async def _join(receive: Receive, first: bytes, limit: int, *, ended: bool) -> bytes:
    chunks, size = [first], len(first)
    while not ended:
        if size > limit:
            raise _over(limit)
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunk = message.get("body", b"")
        chunks.append(chunk)
        size += len(chunk)
        if not message.get("more_body", False):
            if size > limit:
                raise _over(limit)
            return b"".join(chunks)
    raise ClientDisconnect


def _over(limit: int) -> HealixError:
    return too_large(f"the request's body is larger than {limit // MB} MB")
