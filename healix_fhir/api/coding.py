"""Content codings: bodies that come compressed, within the limit of what they may become, and answers that go so.

Spec: RFC 9110 8.4, 12.5.3
"""

from __future__ import annotations

import asyncio
import zlib
from functools import lru_cache

from healix_fhir.api.body import over
from healix_fhir.kernel.errors import Category, HealixError, invalid

CODINGS = b"gzip"
"""What request bodies may be compressed with."""
GZIP = zlib.MAX_WBITS | 16
WORTHWHILE = 4096  # bytes: smaller answers fit into two or three packets anyway
LARGE = 128 * 1024  # bytes that are compressed in a thread
LEVEL = 1


def check_coding(content_encoding: str | None) -> bool:
    """Whether a body with this Content-Encoding must be inflated. Raises UnsupportedMedia for an unknown coding."""
    coding = (content_encoding or "").strip().lower()
    if coding in ("", "identity"):
        return False
    if coding in ("gzip", "x-gzip"):
        return True
    raise HealixError(
        Category.UNSUPPORTED_MEDIA, f"the Content-Encoding {coding[:64]} is not supported; send gzip or no coding"
    )


async def inflated(body: bytes, limit: int) -> bytes:
    """The content of a gzip body. Raises TooLarge past `limit` bytes, Invalid for what is no complete gzip."""
    return await asyncio.to_thread(_inflate, body, limit)


def _inflate(body: bytes, limit: int) -> bytes:
    stream = zlib.decompressobj(GZIP)
    try:
        content = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise invalid("the body is not valid gzip", code="structure") from error
    if len(content) > limit:
        raise over(limit)
    if not stream.eof or stream.unused_data:
        raise invalid("the body is not one complete gzip member", code="structure")
    return content


async def deflated(body: bytes) -> bytes:
    """`body` as gzip."""
    return await asyncio.to_thread(_deflate, body) if len(body) > LARGE else _deflate(body)


def _deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    return stream.compress(body) + stream.flush()


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: bytes) -> bool:
    """Whether an Accept-Encoding header admits gzip."""
    weights: dict[str, str] = {}
    for part in accept_encoding.decode("latin-1").split(","):
        name, _, weight = part.partition(";")
        weights[name.strip().lower()] = weight.partition("=")[2].strip()
    weight = weights.get("gzip", weights.get("*", "0"))
    return weight == "" or weight.strip("0.") != ""
