"""Rendered resources and thumbnails: images as browsers show them.

A frame is one picture. An instance of several frames is one that moves as GIF, its frames as parts of a multipart, and
else its representative frame; a study or series is a part for each of its images.
Spec: PS3.18 10.4.1.1.3, 10.4.1.1.4, 8.7.4 and Table 8.7.4-1 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from xxhash import xxh3_128_hexdigest

from dicomweb.api.accept import Offer, acceptable, not_acceptable, wanted
from dicomweb.api.conditional import answer, tag_of
from dicomweb.api.edge import Edge
from dicomweb.api.frames import numbers_of
from dicomweb.api.look import THUMBNAIL, labels_of, look
from dicomweb.api.related import Part, multipart
from dicomweb.archive.aside import aside
from dicomweb.pixel.pool import work
from dicomweb.pixel.rendering import GIF, JPEG, TYPES, Look, render
from dicomweb.pixel.showing import prepared
from dicomweb.study.pictures import Shown, representative, shown
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import HealixError, not_found, too_large
from smart_auth.access import AccessContext

REPRESENTATIVE_FRAME = "00286010"
MOVING = 256
"""Frames of one moving picture."""
MOVING_PIXELS = 64 << 20
"""Pixels of all its frames, which are in memory together."""
PARTS = 1000
"""Pictures of one answer."""


async def rendered(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/rendered` of a study, a series, an instance or frames."""
    asked, burned = look(request.query_params.multi_items())
    path = request.path_params
    numbers = numbers_of(path["frames"]) if "frames" in path else []
    kind, parts = _kind(request)
    found = await atransaction(
        edge.pool, lambda: shown(access, path["study"], path.get("series"), path.get("instance"))
    )
    wanted_frames = [(one, list(numbers or _all(one))) for one in found]
    for one, frames in wanted_frames:
        if max(frames) > one.frames:
            raise not_found("the instance has no such frame")
    asked = replace(asked, kind=kind)
    single = len(found) == 1 and (len(numbers) == 1 or (not numbers and "instance" in path) or found[0].frames == 1)
    if not parts and single:
        one, frames = wanted_frames[0]
        chosen = frames if len(frames) == 1 or kind == GIF else [representative_frame(one)]
        return await _picture(edge, request, await picture(edge, one, chosen, _labelled(asked, burned, one)), kind)
    if not parts:
        raise not_acceptable(f'several pictures are served as multipart/related; type="{kind}"')
    if sum(len(frames) for _, frames in wanted_frames) > PARTS:
        raise too_large(f"a request may ask for at most {PARTS} pictures")
    pictures = [
        await picture(edge, one, [number], _labelled(asked, burned, one))
        for one, frames in wanted_frames
        for number in frames
    ]
    tag = tag_of(*map(xxh3_128_hexdigest, pictures))
    content, content_type = multipart(kind, (Part(kind, [one]) for one in pictures), tag)
    return await answer(edge.archive, request, content, content_type, tag)


async def thumbnail(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/thumbnail` of a study, a series, an instance or frames: one picture."""
    asked, _ = look(request.query_params.multi_items(), only=frozenset({"viewport"}))
    path = request.path_params
    kind, _ = _kind(request)
    one = await atransaction(
        edge.pool, lambda: representative(access, path["study"], path.get("series"), path.get("instance"))
    )
    number = numbers_of(path["frames"])[0] if "frames" in path else representative_frame(one)
    if number > one.frames:
        raise not_found("the instance has no such frame")
    asked = replace(asked, kind=kind, viewport=asked.viewport or THUMBNAIL)
    return await _picture(edge, request, await picture(edge, one, [number], asked), kind)


async def picture(edge: Edge, one: Shown, numbers: Sequence[int], asked: Look) -> bytes:
    """The picture of one frame, or of several that move."""
    if len(numbers) > MOVING:
        raise too_large(f"a moving picture may have at most {MOVING} frames; ask for some of them")
    pixels = one.layout.pixels
    assert pixels is not None, "only images are shown"
    if len(numbers) > 1 and len(numbers) * pixels.rows * pixels.columns > MOVING_PIXELS:
        raise too_large("the frames are too large for a moving picture; ask for some of them")
    ready = await aside(
        prepared, edge.archive, one.instance.key, one.instance.transfer_syntax, one.layout, one.members, numbers,
        asked.window,
    )  # fmt: skip
    return await work(render, ready.sources, ready.image, ready.members, ready.bulk, asked)


def _labelled(asked: Look, burned: Sequence[int], one: Shown) -> Look:
    return replace(asked, labels=labels_of(burned, one.members))


async def _picture(edge: Edge, request: Request, content: bytes, kind: str) -> Response:
    return await answer(edge.archive, request, [content], kind, tag_of(xxh3_128_hexdigest(content)))


def _kind(request: Request) -> tuple[str, bool]:
    """The media type of each picture, and whether they are parts. Raises NotAcceptable."""
    offers = [Offer(kind, parts=parts) for kind in TYPES for parts in (False, True)]
    for offer, _ in acceptable(wanted(request), offers):
        return offer.name, offer.parts
    raise _none_taken()


def _none_taken() -> HealixError:
    return not_acceptable(f"pictures are served as {', '.join(TYPES)}, the first where nothing is asked ({JPEG})")


def _all(one: Shown) -> range:
    return range(1, one.frames + 1)


def representative_frame(one: Shown) -> int:
    """The frame that stands for the instance. Spec: PS3.3 C.7.6.6 (2024d)"""
    values = one.members.get(REPRESENTATIVE_FRAME, {}).get("Value", [])
    number = values[0] if values and isinstance(values[0], int) else 1
    return number if 1 <= number <= one.frames else 1
