"""The data set that a request about workitems carries, in JSON or XML.

Spec: PS3.18 11.1.3 and 11.4.1.4 (2024d)
"""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from dicomweb.api.accept import DICOM_XML, JSON_TYPES, MULTIPART
from dicomweb.api.multipart import Reader
from dicomweb.dicomjson.reading import DataSet, read, read_native
from healix_fhir.kernel.errors import Category, HealixError, invalid, too_large
from healix_fhir.kernel.media_types import MediaType, parse_media_type

MOST_BYTES = 4 << 20
"""Bytes of a workitem."""


async def data_set(request: Request, *, optional: bool = False) -> DataSet:
    """The data set of the body; an empty one where the body is `optional` and not there.

    Raises Invalid, TooLarge, UnsupportedMedia.
    """
    media = _media_type(request)
    content = await _content(request)
    if optional and not content:
        return {}
    if media is None:
        raise _unsupported()
    if media.name in JSON_TYPES:
        return read(content)
    if media.name == MULTIPART:
        content = _part(content, media.parameters.get("boundary", ""))
    return read_native(content)


def _media_type(request: Request) -> MediaType | None:
    """What the body says it is; None where it says nothing. Raises UnsupportedMedia for all else."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise HealixError(Category.UNSUPPORTED_MEDIA, "compressed request bodies are not supported")
    text = request.headers.get("content-type")
    if text is None:
        return None
    media = parse_media_type(text)
    multipart = media.name == MULTIPART and media.parameters.get("type", DICOM_XML).lower() == DICOM_XML
    if media.name not in (*JSON_TYPES, DICOM_XML) and not multipart:
        raise _unsupported()
    return media


def _unsupported() -> HealixError:
    names = ", ".join((*JSON_TYPES, DICOM_XML))
    return HealixError(Category.UNSUPPORTED_MEDIA, f'send {names} or {MULTIPART}; type="{DICOM_XML}"')


async def _content(request: Request) -> bytes:
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > MOST_BYTES:
                raise too_large(f"a workitem may have at most {MOST_BYTES >> 20} MB")
            pieces.append(piece)
    except ClientDisconnect as error:
        raise invalid("the request ended before its body was complete", code="incomplete") from error
    return b"".join(pieces)


class _Only:
    """Takes the one part of a multipart."""

    def __init__(self) -> None:
        self.parts: list[list[bytes]] = []

    def begin(self, headers: object) -> None:
        """A part begins."""
        del headers
        self.parts.append([])

    def data(self, piece: bytes | memoryview) -> None:
        """Some bytes of it."""
        self.parts[-1].append(bytes(piece))

    def end(self) -> None:
        """It is complete."""


def _part(content: bytes, boundary: str) -> bytes:
    only = _Only()
    reader = Reader(boundary, only)
    reader.feed(content)
    reader.close()
    if len(only.parts) != 1:
        raise invalid("the multipart must have one part", code="structure")
    return b"".join(only.parts[0])
