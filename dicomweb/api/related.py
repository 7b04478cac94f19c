"""Answers of several parts.

Spec: PS3.18 8.6.1.2, 8.7.1 (2024d); RFC 2387
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_hex

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import DICOM_XML
from dicomweb.api.coding import document
from dicomweb.api.content import Content, Piece
from dicomweb.dicomjson.xml import native_model

PRIVATE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its Content-Type, its content, and where that is by itself."""

    content_type: str
    content: Content
    location: str = ""


def multipart(kind: str, parts: Iterable[Part], tag: str) -> tuple[list[Piece], str]:
    """The content of an answer of parts of the media type `kind`, and its Content-Type.

    The boundary is that of the tag, so that the same answer is the same to the byte. What is stored cannot hold it: it
    is made of names that are drawn after an object has come in.
    """
    boundary = tag.strip('"')
    pieces: list[Piece] = []
    for number, part in enumerate(parts):
        location = f"Content-Location: {part.location}\r\n" if part.location else ""
        line = "" if number == 0 else "\r\n"
        pieces.append(f"{line}--{boundary}\r\nContent-Type: {part.content_type}\r\n{location}\r\n".encode())
        pieces += part.content
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    return pieces, f'multipart/related; type="{kind}"; boundary={boundary}'


async def objects(request: Request, encoded: Sequence[bytes], kind: str, headers: Mapping[str, str]) -> Response:
    """An answer of DICOM JSON objects: one array of the media type `kind`, or with `DICOM_XML` an XML document each."""
    return await document(request, *await joined(encoded, kind, token_hex(16)), headers)


async def joined(encoded: Sequence[bytes], kind: str, boundary: str) -> tuple[bytes, str]:
    """The objects as one body, and its media type: an array, or parts of a multipart with this boundary."""
    if kind != DICOM_XML:
        return _array(encoded), kind
    body = await asyncio.to_thread(_documents, encoded, boundary)
    return body, f'multipart/related; type="{kind}"; boundary={boundary}'


def _array(encoded: Sequence[bytes]) -> bytes:
    """The objects as one array, put together at once: a megabyte is not copied for a bracket."""
    pieces = [b",", b""] * len(encoded)
    pieces[1::2] = encoded
    return b"".join([b"[", *pieces[1:], b"]"])


def _documents(encoded: Sequence[bytes], boundary: str) -> bytes:
    """Each object as an XML document, in a part of its own."""
    head = f"--{boundary}\r\nContent-Type: {DICOM_XML}\r\n\r\n".encode()
    return b"".join(head + native_model(one) + b"\r\n" for one in encoded) + f"--{boundary}--\r\n".encode()
