"""Resources in the caller's format: bodies in XML become JSON, answers in JSON become XML. JSON passes as it is.

Spec: FHIR R4, hl7.org/fhir/R4/http.html#mime-type, hl7.org/fhir/R4/xml.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from healix_fhir.api.negotiation import Format
from healix_fhir.model import json
from healix_fhir.model.xml import decode, encode

LARGE = 64 * 1024  # bytes that are converted in a thread, so that the event loop goes on serving others


async def rendered(body: bytes, format_: Format, *, pretty: bool) -> bytes:
    """The JSON `body` as it is sent. Raises NotAcceptable for characters that XML has not."""
    if format_.xml:
        return await _off_loop(body, lambda: encode.encode(json.decode_stored(body), pretty=pretty))
    return msgspec.json.format(body, indent=2) if pretty else body


async def json_of_xml(body: bytes) -> bytes:
    """A request's XML as JSON. Raises Invalid with every issue."""
    return await _off_loop(body, lambda: json.encode(decode.decode(body)))


async def _off_loop(body: bytes, work: Callable[[], bytes]) -> bytes:
    return await asyncio.to_thread(work) if len(body) > LARGE else work()
