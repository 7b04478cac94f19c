"""Answers that a caller may keep, ask for again and take in ranges.

Stored objects never change, so that the tag of an answer is made of what it is of and in which form, without reading
it. Whoever keeps an answer asks each time whether it still may be shown: access can be lost, and the asking is audited.
Spec: PS3.18 8.4, 8.5 (2024d); RFC 9110 8.8.3, 13.1, 14
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from xxhash import xxh3_128_hexdigest

from dicomweb.api.content import WHOLE, Content, at_hand, batch_of, batches, cut, octets, size, whole
from dicomweb.archive.aside import aside
from dicomweb.archive.blobs import Archive

KEPT: Mapping[str, str] = MappingProxyType({"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"})
"""A browser may keep it for its user, and asks before it shows it again."""
NONE: Mapping[str, str] = MappingProxyType({})
RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})", re.ASCII)
TAG = re.compile(r'(?:W/)?("[^"]*")')
EDITION = "2"
"""Another one where other bytes are made of the same blob in the same form, as by an encoder that was wrong."""


def tag_of(*parts: str) -> str:
    """A strong entity tag for what the parts say: keys of blobs, which are never used twice, and the form of them."""
    return f'"{xxh3_128_hexdigest(chr(0).join((EDITION, *parts)).encode())}"'


def is_known(request: Request, tag: str) -> bool:
    """Whether the caller says that it has the answer of this tag. Spec: RFC 9110 13.1.2"""
    known = request.headers.get("if-none-match")
    return known is not None and (known.strip() == "*" or tag in TAG.findall(known))


def unchanged(tag: str, headers: Mapping[str, str] = NONE) -> Response:
    """304: the caller has it already."""
    return Response(None, 304, {**KEPT, **headers, "ETag": tag})


def unsatisfiable(tag: str, length: int, headers: Mapping[str, str] = NONE) -> Response:
    """416: there is nothing in the range asked for."""
    told = {**KEPT, **headers, "ETag": tag, "Accept-Ranges": "bytes", "Content-Range": f"bytes */{length}"}
    return Response(None, 416, told)


async def answer(
    archive: Archive,
    request: Request,
    content: Content,
    content_type: str,
    tag: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] = NONE,
) -> Response:
    """An answer of this content, or of the range of it that is asked for, or 304, or 416.

    The first bytes are read before the answer begins, so that an archive that is away is still answered with a status.
    """
    if is_known(request, tag):
        return unchanged(tag)
    told = {**KEPT, **headers, "ETag": tag}
    length = size(content)
    if length is not None:
        told["Accept-Ranges"] = "bytes"
        if status == 200 and (asked := asked_range(request, tag)) is not None:
            ends = within(asked, length)
            if ends is None:
                return unsatisfiable(tag, length, headers)
            told["Content-Range"] = f"bytes {ends[0]}-{ends[1]}/{length}"
            content, length, status = cut(content, *ends), ends[1] - ends[0] + 1, 206
    return await _sent(archive, request, content, length, status, told | {"Content-Type": content_type})


async def _sent(
    archive: Archive, request: Request, content: Content, length: int | None, status: int, headers: dict[str, str]
) -> Response:
    if length is not None:
        headers["Content-Length"] = str(length)
    if request.method == "HEAD":
        return _headers_alone(status, headers)
    if length is not None and length <= WHOLE:
        found = at_hand(archive, content, length)
        return Response(await aside(whole, archive, content) if found is None else found, status, headers)
    pieces = octets(archive, content)
    first = await aside(batch_of, pieces)
    return StreamingResponse(_after(first, batches(pieces)), status, headers)


def _headers_alone(status: int, headers: Mapping[str, str]) -> Response:
    """Of a size that is not known nothing is said."""
    response = Response(None, status, headers)
    if "Content-Length" not in headers:
        del response.headers["content-length"]
    return response


async def _after(first: bytes, others: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for batch in others:
        yield batch


def asked_range(request: Request, tag: str) -> tuple[str, str] | None:
    """The first and last byte of the range asked for; None for none that counts.

    Several ranges are answered with the whole, which is allowed, as is one of another unit. Spec: RFC 9110 14.2, 13.1.5
    """
    found = RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or not (found[1] or found[2]) or (found[1] and found[2] and int(found[1]) > int(found[2])):
        return None
    condition = request.headers.get("if-range")
    return (found[1], found[2]) if condition is None or condition.strip() == tag else None


def within(asked: tuple[str, str], length: int) -> tuple[int, int] | None:
    """The range within `length` bytes; None where there is nothing in it."""
    if not asked[0]:
        first, last = max(length - int(asked[1]), 0), length - 1
        return (first, last) if int(asked[1]) and length else None
    first, last = int(asked[0]), min(int(asked[1]), length - 1) if asked[1] else length - 1
    return (first, last) if first <= last and first < length else None
