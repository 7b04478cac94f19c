"""Attributes on their way out, compressed where the caller takes it. Pixels are never: they have codecs of their own.

Spec: RFC 9110 8.4, 12.5.3; RFC 8878
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from functools import lru_cache

import zstandard
from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.conditional import is_known, unchanged

WORTHWHILE = 4096
"""Bytes: smaller answers fit into two or three packets anyway."""
LARGE = 128 << 10
"""Bytes that are compressed in a thread."""
LEVEL = 1
GZIP = zlib.MAX_WBITS | 16
CODINGS = ("zstd", "gzip")
"""The quickest first: it is taken where the caller wants both as much."""


async def document(
    request: Request, body: bytes, kind: str, headers: Mapping[str, str], tag: str | None = None
) -> Response:
    """An answer of attributes of the media type `kind`; with `tag`, made for this `kind`, it may be 304."""
    coding = taken(request.headers.get("accept-encoding", "")) if len(body) >= WORTHWHILE else None
    told = {**headers, "Vary": "Accept, Accept-Encoding, Authorization"}
    if tag is not None:  # each form has a tag of its own
        told["ETag"] = tag = f'{tag[:-1]}-{coding}"' if coding else tag
        if is_known(request, tag):
            return unchanged(tag, told)
    if coding:
        told["Content-Encoding"] = coding
        body = await asyncio.to_thread(_packed, body, coding) if len(body) > LARGE else _packed(body, coding)
    return Response(body, 200, told, kind)


@lru_cache(maxsize=256)
def taken(accept_encoding: str) -> str | None:
    """The coding that an Accept-Encoding header wants most; None where it wants none of them."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        try:
            weights[name.strip()] = float(weight.partition("=")[2]) if weight else 1.0
        except ValueError:
            continue
    best = max(CODINGS, key=lambda coding: weights.get(coding, weights.get("*", 0.0)))
    return best if weights.get(best, weights.get("*", 0.0)) > 0 else None


def _packed(body: bytes, coding: str) -> bytes:
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=LEVEL).compress(body)
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    return stream.compress(body) + stream.flush()
