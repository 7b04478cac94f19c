"""WADO-RS bulk data and pixel data: the values that metadata name by BulkDataURI, one or all of a level.

Pixel data is served uncompressed where no more is said, in one part for each instance. In a media type of compressed
frames each frame is a part. Everything else is octets, in little endian.
Spec: PS3.18 10.4.1.1.5, 10.4.1.1.6, 10.4.3.3.5, 10.4.3.3.6, 8.7.3.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import BULK, BULKS, FRAME_TYPE, OCTETS, Offer, acceptable, none_of, not_acceptable, wanted
from dicomweb.api.conditional import NONE, answer, asked_range, is_known, tag_of, unsatisfiable, within
from dicomweb.api.content import Content, Made, cut, identity, size
from dicomweb.api.edge import Edge
from dicomweb.api.frames import Choice, choose, converted, frame_content, location
from dicomweb.api.related import Part, multipart
from dicomweb.api.values import document_content, document_type, stream_of, value_content
from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE, VIDEO
from dicomweb.pixel.image import image
from dicomweb.pixel.layout import Layout, Pixels
from dicomweb.study import retrieve
from dicomweb.study.pictures import DOCUMENT, described
from dicomweb.study.retrieve import Instance, frames_of
from healix_fhir.kernel.database import aat_once
from healix_fhir.kernel.errors import Category, HealixError, not_found
from healix_fhir.kernel.media_types import MediaType
from smart_auth.access import AccessContext

PARTIAL = {"Warning": '299 Healix "Some of what was asked for cannot be served in the media types accepted"'}
UNKEPT = {"Cache-Control": "no-store"}
NO_PIXELS = "there is no such study, series or instance, or no pixel data in it"


async def bulk(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/bulkdata/{path}`: the value of one element."""
    path = request.path_params["path"]
    if path == DOCUMENT:
        return await _document(edge, request, access)
    ((one, layout),) = await _laid_out(edge, request, access)
    if path not in layout.bulk:
        raise not_found("there is no such bulk data")
    accepted = wanted(request)
    if path == pixel_path(layout):
        chosen = choose(accepted, one.transfer_syntax, image(_pixels(layout)), single=True)
        parts = pixel_parts(edge, one, layout, path, chosen)
        if not chosen.parts and len(parts) > 1:
            raise not_acceptable(f'these frames are served as multipart/related; type="{chosen.kind}"')
        tag = tag_of(one.key, path, chosen.content_type, str(chosen.parts))
        if not chosen.parts:
            return await answer(edge.archive, request, parts[0].content, chosen.content_type, tag)
        if len(parts) == 1:
            return await _as_one_part(edge, request, chosen.kind, parts[0], tag)
        content, content_type = multipart(chosen.kind, parts, tag)
        return await answer(edge.archive, request, content, content_type, tag)
    for offer, _ in acceptable(accepted, BULK):
        tag = tag_of(one.key, path, str(offer))
        part = value_part(edge, one, layout, path)
        if not offer.parts:
            return await answer(edge.archive, request, part.content, OCTETS, tag)
        return await _as_one_part(edge, request, OCTETS, part, tag)
    raise none_of(BULK)


async def _as_one_part(edge: Edge, request: Request, kind: str, part: Part, tag: str) -> Response:
    """A multipart of one value, or of the range of it that is asked for.

    A range is one of the value, told in its part, as clients expect: not of the multipart, of which they could make
    nothing. Spec: PS3.18 8.4.3, Content-Range (2024c)
    """
    length = size(part.content)
    asked = None if length is None or is_known(request, tag) else asked_range(request, tag)
    if length is None or asked is None:
        content, content_type = multipart(kind, [part], tag)
        return await answer(edge.archive, request, content, content_type, tag)
    ends = within(asked, length)
    if ends is None:
        return unsatisfiable(tag, length)
    span = f"bytes {ends[0]}-{ends[1]}/{length}"
    tag = tag_of(tag, span)
    some = replace(part, content=cut(part.content, *ends), span=span)
    content, content_type = multipart(kind, [some], tag)
    return await answer(edge.archive, request, content, content_type, tag, status=206, headers=UNKEPT)


async def _document(edge: Edge, request: Request, access: AccessContext) -> Response:
    """An encapsulated document, also in its own media type, as viewers ask for it."""
    path = request.path_params
    one = await aat_once(edge.pool, described(access, path["study"], path["series"], path["instance"]))
    if DOCUMENT not in one.layout.bulk:
        raise not_found("there is no such bulk data")
    kind = document_type(one)
    offers = (*BULK, *((Offer(kind), Offer(kind, parts=True)) if kind else ()))
    offer = next((offer for offer, _ in acceptable(wanted(request), offers)), None)
    if offer is None:
        raise none_of(offers)
    part = value_part(edge, one.instance, one.layout, DOCUMENT)
    if offer.name != OCTETS:
        part = Part(offer.name, document_content(edge.archive, one), part.location)
    tag = tag_of(one.instance.key, DOCUMENT, str(offer))
    if not offer.parts:
        return await answer(edge.archive, request, part.content, part.content_type, tag)
    return await _as_one_part(edge, request, offer.name, part, tag)


async def every_value(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/bulkdata` of a study, series or instance: all values, each in a part that says where it is by itself."""
    found = await _laid_out(edge, request, access)
    if not any(layout.bulk for _, layout in found):
        raise not_found("there is no such study, series or instance, or no bulk data in it")
    accepted = wanted(request)
    for _ in acceptable(accepted, BULKS):
        break
    else:
        raise none_of(BULKS)
    parts: list[Part] = []
    complete = True
    for one, layout in found:
        pixels = pixel_path(layout)
        for path in layout.bulk:
            if path != pixels:
                parts.append(value_part(edge, one, layout, path))
            elif (chosen := _chosen(accepted, one, layout)) is not None:
                parts += pixel_parts(edge, one, layout, pixels, chosen)
            else:
                complete = False
    return await _related(edge, request, OCTETS, parts, complete=complete)


async def pixel_data(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/pixeldata` of a study, series or instance: the pixels of each image."""
    found = [
        (one, layout, pixels)
        for one, layout in await _laid_out(edge, request, access)
        if (pixels := pixel_path(layout)) is not None
    ]
    if not found:
        raise not_found(NO_PIXELS)
    accepted = wanted(request)
    parts: list[Part] = []
    kinds: list[str] = []
    for one, layout, pixels in found:
        if (chosen := _chosen(accepted, one, layout)) is not None:
            parts += pixel_parts(edge, one, layout, pixels, chosen)
            kinds.append(chosen.kind)
    if not parts:
        stored = found[0][0].transfer_syntax
        raise not_acceptable(
            f'this pixel data is served as multipart/related; type="{OCTETS}", uncompressed, or as it is stored, type='
            f'"{FRAME_TYPE.get(stored, OCTETS)}"; transfer-syntax={stored}'
        )
    return await _related(edge, request, kinds[0], parts, complete=len(kinds) == len(found))


async def _laid_out(edge: Edge, request: Request, access: AccessContext) -> list[tuple[Instance, Layout]]:
    path = request.path_params
    return await aat_once(edge.pool, retrieve.laid_out(access, path["study"], path.get("series"), path.get("instance")))


async def _related(edge: Edge, request: Request, kind: str, parts: Sequence[Part], *, complete: bool) -> Response:
    """The parts; 206 with a warning where some are missing. Spec: PS3.18 Table 10.4.3-1"""
    tag = tag_of(*(f"{part.location} {part.content_type} {identity(part.content)}" for part in parts))
    content, content_type = multipart(kind, parts, tag)
    status, headers = (200, NONE) if complete else (206, PARTIAL)
    return await answer(edge.archive, request, content, content_type, tag, status=status, headers=headers)


def _chosen(accepted: Sequence[MediaType], one: Instance, layout: Layout) -> Choice | None:
    """How the pixels of an instance are written as parts; None where the caller takes no form that there is."""
    try:
        return choose(accepted, one.transfer_syntax, image(_pixels(layout)), single=False)
    except HealixError as error:
        if error.category is not Category.NOT_ACCEPTABLE:
            raise
        return None


def pixel_path(layout: Layout) -> str | None:
    """The path of the pixel data that a layout describes; None without."""
    if layout.pixels is None:
        return None
    return next((path for path, (_, start, _) in layout.bulk.items() if start == layout.start and len(path) == 8), None)


def value_part(edge: Edge, one: Instance, layout: Layout, path: str) -> Part:
    """One value."""
    return Part(OCTETS, value_content(edge.archive, one, layout, path), f"{location(edge.base, one)}/bulkdata/{path}")


def pixel_parts(edge: Edge, one: Instance, layout: Layout, path: str, chosen: Choice) -> list[Part]:
    """The pixel data in one part where it is uncompressed, a video or the element's value as it is stored, else a part
    for each frame.
    """
    where = location(edge.base, one)
    if chosen.syntax in VIDEO:
        return [Part(chosen.content_type, stream_of(one, layout), f"{where}/bulkdata/{path}")]
    if chosen.kind == OCTETS and chosen.syntax in (EXPLICIT_LITTLE, one.transfer_syntax):
        if layout.encapsulated and chosen.syntax == EXPLICIT_LITTLE:
            content: Content = [Made(partial(_uncompressed, edge.archive, one, layout), one.key)]
        else:
            content = value_content(edge.archive, one, layout, path)
        return [Part(chosen.content_type, content, f"{where}/bulkdata/{path}")]
    numbers = range(1, _pixels(layout).frames + 1)
    frames = frames_of(one, layout, numbers)
    return [
        Part(chosen.content_type, frame_content(edge.archive, frames, at, chosen.syntax), f"{where}/frames/{number}")
        for at, number in enumerate(numbers)
    ]


def _uncompressed(archive: Archive, one: Instance, layout: Layout) -> Iterator[bytes]:
    """All frames, each decoded when it is its turn."""
    frames = frames_of(one, layout, range(1, _pixels(layout).frames + 1))
    for frame in frames.frames:
        yield from converted(archive, frames, frame.number, EXPLICIT_LITTLE)


def _pixels(layout: Layout) -> Pixels:
    assert layout.pixels is not None, "only pixel data that is described has a path"
    return layout.pixels
