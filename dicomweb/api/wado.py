"""WADO-RS: retrieve studies, series, instances, their metadata, frames and bulk data.

Objects go out in the transfer syntax in which they are stored.
Spec: PS3.18 10.4 (2024d)
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from secrets import token_hex

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from xxhash import xxh3_128_hexdigest

from dicomweb.api.accept import (
    DICOM,
    DICOM_JSON,
    FRAME_TYPE,
    OCTETS,
    check_json,
    multipart_of,
    not_acceptable,
    takes_syntax,
    wanted,
)
from dicomweb.api.edge import Edge
from dicomweb.archive.blobs import Archive
from dicomweb.study import retrieve
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import invalid
from smart_auth.access import AccessContext

FRAME_LIMIT = 100_000
PRIVATE = {"Cache-Control": "private, no-cache"}


async def instances(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET /studies/{study}[/series/{series}[/instances/{instance}]]`."""
    path = request.path_params
    found = await atransaction(
        edge.pool, lambda: retrieve.instances(access, path["study"], path.get("series"), path.get("instance"))
    )
    for media in wanted(request):
        if not all(takes_syntax(media, one.transfer_syntax) for one in found):
            continue
        if multipart_of(media, DICOM):
            return _multipart(DICOM, (_part(edge.archive, one) for one in found))
        if media.covers(DICOM) and len(found) == 1:
            headers = PRIVATE | {"Content-Length": str(found[0].size)}
            kind = f"{DICOM}; transfer-syntax={found[0].transfer_syntax}"
            return StreamingResponse(edge.archive.stream(found[0].key), 200, headers, kind)
    raise not_acceptable(f'these instances are served as multipart/related; type="{DICOM}" as they are stored')


async def metadata(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/metadata` at each level: DICOM JSON without bulk data."""
    check_json(request)
    path = request.path_params
    objects = await atransaction(
        edge.pool,
        lambda: retrieve.metadata(access, path["study"], path.get("series"), path.get("instance"), base=edge.base),
    )
    body = b"[" + b",".join(objects) + b"]"
    tag = f'"{xxh3_128_hexdigest(body)}"'
    headers = PRIVATE | {"ETag": tag}
    if tag in request.headers.get("if-none-match", ""):
        return Response(b"", 304, headers)
    return Response(body, 200, headers, DICOM_JSON)


async def frames(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/frames/{list}`: frames as they are stored, one part each."""
    path = request.path_params
    numbers = _numbers(path["frames"])
    found = await atransaction(
        edge.pool, lambda: retrieve.frames(access, path["study"], path["series"], path["instance"], numbers)
    )
    syntax = found.instance.transfer_syntax
    stored = FRAME_TYPE.get(syntax, OCTETS)
    for media in wanted(request):
        as_octets = multipart_of(media, OCTETS) and media.parameters.get("transfer-syntax") == "*"
        if takes_syntax(media, syntax) and (multipart_of(media, stored) or as_octets):
            kind = f"{stored}; transfer-syntax={syntax}"
            return _multipart(
                stored, (_ranges(edge.archive, found.instance.key, one.ranges, kind) for one in found.frames)
            )
        if media.name in (stored, "image/*") and len(found.frames) == 1 and takes_syntax(media, syntax):
            body = await asyncio.to_thread(_read, edge.archive, found.instance.key, found.frames[0].ranges)
            return Response(body, 200, PRIVATE, f"{stored}; transfer-syntax={syntax}")
    raise not_acceptable(f'these frames are served as multipart/related; type="{stored}"')


async def bulk(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/bulkdata/{path}`: the value of one element that the metadata names by BulkDataURI."""
    path = request.path_params
    found = await atransaction(
        edge.pool, lambda: retrieve.bulk(access, path["study"], path["series"], path["instance"], path["path"])
    )
    for media in wanted(request):
        if multipart_of(media, OCTETS):
            return _multipart(OCTETS, iter([_ranges(edge.archive, found.instance.key, found.ranges, OCTETS)]))
        if media.covers(OCTETS):
            size = sum(length for _, length in found.ranges)
            body = _stream(edge.archive, found.instance.key, found.ranges)
            return StreamingResponse(body, 200, PRIVATE | {"Content-Length": str(size)}, OCTETS)
    raise not_acceptable(f'bulk data is served as multipart/related; type="{OCTETS}"')


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if len(parts) > FRAME_LIMIT or not all(part.isdecimal() and 0 < int(part[:10]) < 1 << 31 for part in parts):
        raise invalid("frames are numbers from 1, separated by commas", code="value")
    return [int(part) for part in parts]


Part = tuple[str, Iterator[bytes]]


def _part(archive: Archive, instance: retrieve.Instance) -> Part:
    return f"{DICOM}; transfer-syntax={instance.transfer_syntax}", archive.stream(instance.key)


def _ranges(archive: Archive, key: str, ranges: Sequence[tuple[int, int]], kind: str) -> Part:
    return kind, _stream(archive, key, ranges)


def _stream(archive: Archive, key: str, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    for start, length in ranges:
        yield from archive.stream(key, start, length)


def _read(archive: Archive, key: str, ranges: Sequence[tuple[int, int]]) -> bytes:
    return b"".join(archive.read(key, start, length) for start, length in ranges)


def _multipart(kind: str, parts: Iterator[Part]) -> Response:
    """A multipart answer, streamed. Spec: PS3.18 8.6.1.2"""
    boundary = token_hex(16)

    def body() -> Iterator[bytes]:
        for part_kind, content in parts:
            yield f"--{boundary}\r\nContent-Type: {part_kind}\r\n\r\n".encode()
            yield from content
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    return StreamingResponse(body(), 200, PRIVATE, f'multipart/related; type="{kind}"; boundary={boundary}')
