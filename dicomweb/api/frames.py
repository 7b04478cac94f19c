"""WADO-RS frames: each is a part of the answer, or the answer itself when one is asked for.

Spec: PS3.18 10.4.1.1.6, 8.7.3.3 and Tables 8.7.3-2 to 8.7.3-5 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import (
    DEFAULT_SYNTAX,
    FRAME_TYPE,
    MULTIPART,
    OCTETS,
    accepted_ranges,
    asked_syntax,
    listed,
    not_acceptable,
)
from dicomweb.api.conditional import answer, tag_of
from dicomweb.api.content import Made, Piece, Stretch
from dicomweb.api.edge import Edge
from dicomweb.api.related import Part, multipart
from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE, NATIVE
from dicomweb.pixel.frames import read, served_syntax
from dicomweb.pixel.image import Image, image
from dicomweb.pixel.layout import Pixels
from dicomweb.pixel.pool import work_now
from dicomweb.pixel.syntaxes import can_serve, default_syntax
from dicomweb.study.retrieve import Frames, Instance, frames_of
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.media_types import MediaType
from smart_auth.access import AccessContext

EARLIER = {"image/x-dicom-rle": "image/dicom-rle", "image/x-jls": "image/jls", "video/mpeg2": "video/mpeg"}
"""Names that media types had in earlier editions, and still have with some viewers. Spec: PS3.18 8.7.3.3.2, note 8"""
FRAME_LIMIT = 10_000
DIGITS = 9


@dataclass(frozen=True, slots=True)
class Choice:
    """How frames are written: the media type of each, its transfer syntax, and whether they are parts."""

    kind: str
    syntax: str
    parts: bool

    @property
    def content_type(self) -> str:
        """That of one frame."""
        return f"{self.kind}; transfer-syntax={self.syntax}"


async def frames(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/frames/{list}`."""
    path = request.path_params
    numbers = numbers_of(path["frames"])
    uids = (path["study"], path["series"], path["instance"])
    found = await edge.reader.one(
        access, uids, "retrieve-frames", lambda held: frames_of(held.instance, held.layout, numbers)
    )
    stored = found.instance.transfer_syntax
    chosen = _chosen(listed(request), stored, found.pixels, single=len(numbers) == 1)
    tag = tag_of(found.instance.key, path["frames"], chosen.content_type, str(chosen.parts))
    contents = (frame_content(edge.archive, found, at, chosen.syntax) for at in range(len(numbers)))
    if not chosen.parts:
        return await answer(edge.archive, request, next(contents), chosen.content_type, tag)
    where = location(edge.base, found.instance)
    parts = (
        Part(chosen.content_type, content, f"{where}/frames/{number}")
        for number, content in zip(numbers, contents, strict=True)
    )
    pieces, content_type = multipart(chosen.kind, parts, tag)
    return await answer(edge.archive, request, pieces, content_type, tag)


@lru_cache(maxsize=512)
def _chosen(accept: tuple[str, str], stored: str, pixels: Pixels, *, single: bool) -> Choice:
    """The same for all slices of a series, for which a viewer asks one after the other."""
    return choose(accepted_ranges(*accept), stored, image(pixels), single=single)


def location(base: str, instance: Instance) -> str:
    """The address of an instance under the DICOMweb base URL."""
    return f"{base}/studies/{instance.study}/series/{instance.series}/instances/{instance.instance}"


def choose(accepted: Iterable[MediaType], stored: str, pixels: Image, *, single: bool) -> Choice:
    """How frames stored in a transfer syntax are written for a caller. Raises NotAcceptable.

    A range that names no transfer syntax takes frames uncompressed, or as they are stored where that lost something;
    of a media type of compressed frames in the default syntax of it, if they are stored in none that it names. With
    `transfer-syntax=*`, as viewers ask, it takes whatever there is.
    """
    for media in accepted:
        parts = media.name in (MULTIPART, "*/*", "multipart/*")
        if media.q > 0 and (parts or single):
            kind = media.parameters.get("type", "*/*").lower() if parts else media.name
            if (found := _written(kind, asked_syntax(media), stored, pixels)) is not None:
                return Choice(*found, parts)
    served = served_syntax(stored)
    raise not_acceptable(
        f'these frames are served as {MULTIPART}; type="{FRAME_TYPE.get(served, OCTETS)}"; transfer-syntax={served}'
        " and in other transfer syntaxes that suit them"
    )


def _written(kind: str, asked: str | None, stored: str, pixels: Image) -> tuple[str, str] | None:
    """Media type and transfer syntax for a range of the type `kind`; None where it takes nothing that there is."""
    served = served_syntax(stored)
    kind = EARLIER.get(kind, kind)
    if asked == "*":
        asked = served
    if kind == OCTETS:
        syntax = asked or EXPLICIT_LITTLE
        return (OCTETS, syntax) if can_serve(stored, syntax, pixels) else None
    if kind == "*/*" and asked is None:
        asked = default_syntax(served)
    for syntax in (asked,) if asked else (served, DEFAULT_SYNTAX.get(kind, served)):
        own = FRAME_TYPE.get(syntax, OCTETS)
        if MediaType(kind).covers(own.lower()) and can_serve(stored, syntax, pixels):
            return own, syntax
    return None


def frame_content(archive: Archive, found: Frames, at: int, syntax: str) -> Sequence[Piece]:
    """The content of the frame at a place of the list: stretches of the blob, or made where it must be converted."""
    frame = found.frames[at]
    if found.direct and syntax == found.transfer_syntax:
        return [Stretch(found.instance.key, start, length) for start, length in frame.ranges]
    return [Made(partial(converted, archive, found, frame.number, syntax), found.instance.key)]


def converted(archive: Archive, found: Frames, number: int, syntax: str) -> Iterator[bytes]:
    """One frame, read and put into a transfer syntax."""
    instance = found.instance
    frame = read(archive, instance.key, instance.transfer_syntax, found.layout, number)
    if syntax == found.transfer_syntax:
        yield frame
    else:
        from dicomweb.pixel.transcode import transcoded

        compressed = None if instance.transfer_syntax in NATIVE else instance.transfer_syntax
        yield work_now(transcoded, frame, compressed, image(found.pixels), syntax)


def numbers_of(text: str) -> list[int]:
    """The frame numbers of a path, from 1. Raises Invalid."""
    parts = text.split(",")
    if len(parts) > FRAME_LIMIT:
        raise invalid(f"a request may ask for at most {FRAME_LIMIT} frames", code="too-costly")
    if not all(part.isascii() and part.isdecimal() and len(part) <= DIGITS and int(part) for part in parts):
        raise invalid("frames are numbers from 1, separated by commas", code="value")
    return [int(part) for part in parts]
