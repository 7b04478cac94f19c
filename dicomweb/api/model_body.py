"""The one data set that a request carries, in JSON or XML, compressed or not.

Spec: PS3.18 11.1.3, 11.4.1.3 and 11.4.1.4, 13.4.1.4 (2024d)
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request

from dicomweb.api.accept import DICOM_XML, JSON_TYPES, MULTIPART
from dicomweb.api.decoding import Fed, Unpacked, coding
from dicomweb.api.multipart import Reader
from dicomweb.dicomjson.reading import MEMBER_LIMIT, DataSet, read, read_native
from healix_fhir.kernel.errors import Category, HealixError, invalid, too_large
from healix_fhir.kernel.media_types import MediaType, parse_media_type

MOST_BYTES = 4 << 20
"""Bytes of a workitem."""


@dataclass(frozen=True, slots=True)
class Body:
    """A body that has come, in the media type that it says it has; None where it says nothing."""

    media: MediaType | None
    content: bytes

    def data_set(self, most: int = MEMBER_LIMIT) -> DataSet:
        """The data set of `most` elements in it. Raises Invalid, TooLarge, UnsupportedMedia."""
        if self.media is None:
            raise _unsupported()
        if self.media.name in JSON_TYPES:
            return read(self.content, most)
        if self.media.name == MULTIPART:
            return read_native(_part(self.content, self.media.parameters.get("boundary", "")), most)
        return read_native(self.content, most)


async def data_set(request: Request, *, optional: bool = False) -> DataSet:
    """The data set of the body; an empty one where the body is `optional` and not there.

    Raises Invalid, TooLarge, UnsupportedMedia.
    """
    found = await body(request, MOST_BYTES)
    return {} if optional and not found.content else found.data_set()


async def body(request: Request, most: int) -> Body:
    """The body of `most` bytes, unpacked. Raises Invalid, TooLarge, and UnsupportedMedia for what is never read."""
    return Body(_media_type(request), await _content(request, most))


def _media_type(request: Request) -> MediaType | None:
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


class _Gathered:
    """Takes a body in pieces, `most` bytes of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.content = bytearray()

    def feed(self, chunk: bytes | memoryview) -> None:
        """The next bytes. Raises TooLarge."""
        if len(self.content) + len(chunk) > self._most:
            raise too_large(f"the body may have at most {self._most >> 20} MB")
        self.content += chunk

    def close(self) -> None:
        """It is complete."""


async def _content(request: Request, most: int) -> bytes:
    packed = coding(request.headers.get("content-encoding", ""))
    gathered = _Gathered(most)
    onward: Fed = Unpacked(packed, gathered, most) if packed else gathered
    try:
        async for piece in request.stream():
            onward.feed(piece)
    except ClientDisconnect as error:
        raise invalid("the request ended before its body was complete", code="incomplete") from error
    onward.close()
    return bytes(gathered.content)


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
