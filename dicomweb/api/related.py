"""Answers of several parts.

Spec: PS3.18 8.6.1.2, 8.7.1 (2024d); RFC 2387
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from secrets import token_hex

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import DICOM_XML, Offer
from dicomweb.api.coding import document
from dicomweb.api.content import Content, Made, Piece, size
from dicomweb.dicomjson.xml import native_model

PRIVATE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its Content-Type, its content, where that is by itself, and of which bytes of that it is."""

    content_type: str
    content: Content
    location: str = ""
    span: str = ""


def multipart(kind: str, parts: Iterable[Part], tag: str) -> tuple[list[Piece], str]:
    """The content of an answer of parts of the media type `kind`, and its Content-Type.

    The boundary is that of the tag, so that the same answer is the same to the byte. What is stored cannot hold it: it
    is made of names that are drawn after an object has come in.
    """
    boundary = tag.strip('"')
    pieces: list[Piece] = []
    for number, part in enumerate(parts):
        location = f"Content-Location: {part.location}\r\n" if part.location else ""
        span = f"Content-Range: {part.span}\r\n" if part.span else ""
        line = "" if number == 0 else "\r\n"
        head = f"{line}--{boundary}\r\nContent-Type: {part.content_type}\r\n{location}{span}"
        match part.content:
            case [Made(make, form)]:
                pieces.append(Made(partial(_after_its_head, head, make), form))
            case content:
                pieces += [_with_length(head, size(content)), *content]
    pieces.append(f"\r\n--{boundary}--\r\n".encode())
    return pieces, _parts_of(kind, boundary)


def _with_length(head: str, length: int | None) -> bytes:
    """The headers of a part, with its length where that is known. Spec: PS3.18 Table 8.6.1-1 (2024d)"""
    told = f"Content-Length: {length}\r\n" if length is not None else ""
    return f"{head}{told}\r\n".encode()


def _after_its_head(head: str, make: Callable[[], Iterable[bytes]]) -> Iterator[bytes]:
    """What is made when it is its turn, after its headers: with its length where it is made in one piece."""
    pieces = iter(make())
    first, second = next(pieces, b""), next(pieces, None)
    yield _with_length(head, len(first) if second is None else None)
    yield from chain([first], [] if second is None else [second], pieces)


def one_document(encoded: bytes, offer: Offer, location: str = "") -> tuple[bytes, str]:
    """The body of what is always one DICOM JSON object, and its media type, in the form that the caller takes."""
    if offer.name != DICOM_XML:
        return encoded, offer.name
    body = native_model(encoded)
    if not offer.parts:
        return body, offer.name
    boundary = token_hex(16)
    return _documents([(body, location)], boundary), _parts_of(DICOM_XML, boundary)


async def objects(request: Request, encoded: Sequence[bytes], kind: str, headers: Mapping[str, str]) -> Response:
    """An answer of DICOM JSON objects: one array of the media type `kind`, or with `DICOM_XML` an XML document each."""
    return await document(request, *await joined(encoded, kind, token_hex(16)), headers)


async def joined(
    encoded: Sequence[bytes], kind: str, boundary: str, locations: Sequence[str] = ()
) -> tuple[bytes, str]:
    """The objects as one body, and its media type: an array, or parts of a multipart with this boundary, which say at
    which of the `locations` each is by itself.
    """
    if kind != DICOM_XML:
        return _array(encoded), kind
    return await asyncio.to_thread(_models, encoded, boundary, locations), _parts_of(kind, boundary)


def _parts_of(kind: str, boundary: str) -> str:
    return f'multipart/related; type="{kind}"; boundary={boundary}'


def _array(encoded: Sequence[bytes]) -> bytes:
    """The objects as one array, put together at once: a megabyte is not copied for a bracket."""
    pieces = [b",", b""] * len(encoded)
    pieces[1::2] = encoded
    return b"".join([b"[", *pieces[1:], b"]"])


def _models(encoded: Sequence[bytes], boundary: str, locations: Sequence[str]) -> bytes:
    where = chain(locations, repeat(""))
    return _documents(zip(map(native_model, encoded), where, strict=False), boundary)


def _documents(documents: Iterable[tuple[bytes, str]], boundary: str) -> bytes:
    """Each XML document in a part of its own, with where it is."""
    pieces: list[bytes] = []
    for body, location in documents:
        where = f"Content-Location: {location}\r\n" if location else ""
        head = _with_length(f"--{boundary}\r\nContent-Type: {DICOM_XML}\r\n{where}", len(body))
        pieces += [head, body, b"\r\n"]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])
