"""Streamed answers: what is read from the archive goes out piece by piece, files are read in threads.

Spec: PS3.18 8.6.1.2, 8.7.1 (2024d); RFC 2387
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from secrets import token_hex
from types import MappingProxyType

from starlette.responses import Response, StreamingResponse

from dicomweb.api.accept import DICOM_XML
from dicomweb.archive.aside import aside
from dicomweb.dicomjson.xml import native_model

BATCH = 256 << 10
PRIVATE = {"Cache-Control": "no-store"}
NONE: Mapping[str, str] = MappingProxyType({})

Part = tuple[str, Iterable[bytes]]
"""The Content-Type of a part and its content."""


async def multipart(kind: str, parts: Iterable[Part], headers: Mapping[str, str] = NONE) -> StreamingResponse:
    """An answer of many parts of the media type `kind`."""
    boundary = token_hex(16)

    def body() -> Iterator[bytes]:
        for content_type, content in parts:
            yield f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n".encode()
            yield from content
            yield b"\r\n"
        yield f"--{boundary}--\r\n".encode()

    answer = await streamed(body(), f'multipart/related; type="{kind}"; boundary={boundary}')
    answer.headers.update(headers)
    return answer


async def objects(encoded: Sequence[bytes], kind: str, headers: Mapping[str, str]) -> Response:
    """An answer of DICOM JSON objects: one array of the media type `kind`, or with `DICOM_XML` an XML document each."""
    if kind != DICOM_XML:
        return Response(b"[" + b",".join(encoded) + b"]", 200, headers, kind)
    return await multipart(kind, ((kind, [native_model(one)]) for one in encoded), headers)


async def streamed(content: Iterable[bytes], content_type: str, size: int | None = None) -> StreamingResponse:
    """An answer of one piece, `size` bytes where that is known.

    The first bytes are read before the answer begins, so that an archive that is away is still answered with a status.
    """
    pieces = iter(content)
    first = await aside(_batch, pieces)
    headers = PRIVATE if size is None else PRIVATE | {"Content-Length": str(size)}
    return StreamingResponse(_rest(first, pieces), 200, headers, content_type)


async def _rest(first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    batch = first
    while batch:
        yield batch
        batch = await aside(_batch, pieces)


def _batch(pieces: Iterator[bytes]) -> bytes:
    """At least `BATCH` bytes and at most one piece more; empty at the end."""
    taken: list[bytes] = []
    size = 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size >= BATCH:
            break
    return b"".join(taken)
