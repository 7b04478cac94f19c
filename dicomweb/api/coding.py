"""Attributes on their way out, compressed where the caller takes it. Pixels are never: they have codecs of their own.

Spec: RFC 9110 8.4, 12.5.3; RFC 8878
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Document:
    """Attributes as they are sent: the `body` in a `coding`, its media type, and the tag of all this."""

    body: bytes
    kind: str
    coding: str | None
    tag: str | None


async def document(
    request: Request, body: bytes, kind: str, headers: Mapping[str, str], tag: str | None = None
) -> Response:
    """An answer of attributes of the media type `kind`; with `tag`, made for this `kind`, it may be 304."""
    return sent(request, await coded(body, kind, taken_by(request), tag), headers)


def taken_by(request: Request) -> str | None:
    """The coding that the caller wants most, of what is worth it."""
    return taken(request.headers.get("accept-encoding", ""))


async def coded(body: bytes, kind: str, coding: str | None, tag: str | None = None) -> Document:
    """What is sent to who takes `coding`; small bodies are not coded. Each form has a tag of its own."""
    if coding is None or len(body) < WORTHWHILE:
        return Document(body, kind, None, tag)
    packed = await asyncio.to_thread(_packed, body, coding) if len(body) > LARGE else _packed(body, coding)
    return Document(packed, kind, coding, f'{tag[:-1]}-{coding}"' if tag is not None else None)


def sent(request: Request, made: Document, headers: Mapping[str, str]) -> Response:
    """The answer, or 304 to who has it."""
    told = {**headers, "Vary": "Accept, Accept-Encoding, Authorization"}
    if made.tag is not None:
        told["ETag"] = made.tag
        if is_known(request, made.tag):
            return unchanged(made.tag, told)
    if made.coding is not None:
        told["Content-Encoding"] = made.coding
    return Response(made.body, 200, told, made.kind)


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
