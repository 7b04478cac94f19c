"""Rendered resources and thumbnails: images as browsers show them, videos they play, reports and documents they show.

An instance is one picture, page or document: of several frames one that moves as GIF, and else its representative
frame; as parts of a multipart a picture for each frame; of a presentation state the images that it presents. A study or
series is a part for each of its images, reports and documents, in the form that the caller wants most of each.
Spec: PS3.18 10.4.1.1.3, 10.4.1.1.4, 10.4.4, 8.7.4 and Table 8.7.4-1 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response

from dicomweb.api.accept import Offer, acceptable, check_charset, none_of, not_acceptable, wanted
from dicomweb.api.blending import pairs_of
from dicomweb.api.bulkdata import PARTIAL
from dicomweb.api.conditional import NONE, answer, is_known, tag_of, unchanged
from dicomweb.api.content import Content, Made, identity, whole
from dicomweb.api.deciding import decided
from dicomweb.api.edge import Edge
from dicomweb.api.forms import WHY_NOT, kinds_of, pages
from dicomweb.api.frames import numbers_of
from dicomweb.api.look import OF_THUMBNAILS, PARAMETERS, THUMBNAIL, check_whole, look
from dicomweb.api.picture import Drawing, drawing, representative_frame, stored_of
from dicomweb.api.related import Part, multipart
from dicomweb.api.unsupported import supported
from dicomweb.archive.aside import aside
from dicomweb.pixel.blending import BLENDING_STATE
from dicomweb.pixel.image import Attributes
from dicomweb.pixel.presentation import images_of
from dicomweb.pixel.rendering import GIF, TYPES, Look
from dicomweb.study.pictures import Category, Shown, candidates, referenced, representative, show
from dicomweb.study.report.html import POLICY
from healix_fhir.kernel.database import aat_once
from healix_fhir.kernel.errors import HealixError, invalid, not_found, too_large
from healix_fhir.kernel.media_types import MediaType
from smart_auth.access import AccessContext

PARTS = 1000
"""Pictures of one answer."""
PAGES = ("text/html", "text/xml")
"""What a browser would run scripts of."""
DRAWN = (Category.IMAGE, Category.PRESENTATION)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of pictures: how they are to look, the tags that are burned in, and which frames."""

    look: Look
    burned: tuple[int, ...]
    numbers: tuple[int, ...]


async def rendered(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/rendered` of a study, a series, an instance or frames."""
    check_charset(request)
    params = supported(request, PARAMETERS)
    path = request.path_params
    looking, burned = look(params)
    asked = Asked(looking, burned, tuple(numbers_of(path["frames"])) if "frames" in path else ())
    accepted = wanted(request)
    if "instance" in path:

        def decide(one: Shown, kinds: Sequence[str]) -> tuple[Shown, Offer]:
            if one.category not in DRAWN:
                _check_meant(one, params, asked)
            if one.category is Category.PRESENTATION:
                check_whole(looking, one.category.value)
            offer = _chosen(accepted, [(one, kinds)], (False, True))[0][1]
            if one.category is Category.IMAGE and len(_frames(one, offer, asked.numbers)) > 1 and not offer.parts:
                raise _in_parts(offer)
            return one, offer

        chosen = [await decided(edge, access, _uids(path), "retrieve-rendered", decide)]
        count = 1
    else:
        found = await aat_once(edge.pool, candidates(access, path["study"], path.get("series")))
        count = len(found)
        chosen = _chosen(accepted, [(one, await kinds_of(edge, access, one)) for one in found], (True,))
        await aat_once(edge.pool, show(access, [one for one, _ in chosen]))
    parts: list[Part] = []
    for one, offer in chosen:
        parts += await _parts(edge, access, one, offer, asked)
        if len(parts) > PARTS:
            raise too_large(f"a request may ask for at most {PARTS} pictures")
    offer = chosen[0][1]
    if not offer.parts:
        if len(parts) > 1:
            raise _in_parts(offer)
        return await single(edge, request, parts[0])
    tag = tag_of(*(f"{part.content_type} {identity(part.content)}" for part in parts))
    content, content_type = multipart(offer.name, parts, tag)
    status, headers = (200, NONE) if len(chosen) == count else (206, PARTIAL)
    return await answer(edge.archive, request, content, content_type, tag, status=status, headers=headers)


def _uids(path: Mapping[str, str]) -> tuple[str, str, str]:
    return path["study"], path["series"], path["instance"]


def _in_parts(offer: Offer) -> HealixError:
    return not_acceptable(f'several pictures are served as multipart/related; type="{offer.name}"')


def _check_meant(alone: Shown, params: Sequence[tuple[str, str]], asked: Asked) -> None:
    """Raises Invalid or NotFound for what a request says of pictures where there is none."""
    if asked.numbers:
        raise not_found("the instance has no such frame")
    for name, _ in params:
        raise invalid(f"{name} has no meaning for a {alone.category.value}", code="not-supported")


def _chosen(
    accepted: Sequence[MediaType], found: Sequence[tuple[Shown, Sequence[str]]], parts: Sequence[bool]
) -> list[tuple[Shown, Offer]]:
    """The form of each instance that the caller wants most, of the kinds that it has, alone or in `parts`; without
    those that it takes in no form. Raises NotAcceptable where none is left.
    """
    chosen = []
    offered: list[Offer] = []
    for one, kinds in found:
        offers = [Offer(kind, part) for kind in kinds for part in parts]
        offered += offers
        if (best := next(acceptable(accepted, offers), None)) is not None:
            chosen.append((one, best[0]))
    if not chosen:
        raise none_of(offered) if offered else not_acceptable(WHY_NOT[found[0][0].category])
    return chosen


async def _parts(edge: Edge, access: AccessContext, one: Shown, offer: Offer, asked: Asked) -> list[Part]:
    """An instance in its form: a part for each frame where that is a multipart, else usually one."""
    if one.category not in DRAWN:
        return [await pages(edge, one, offer.name)]
    looking = replace(asked.look, kind=offer.name)
    if one.category is Category.PRESENTATION:
        drawings = await presented(edge, access, one, looking, asked, every=offer.parts)
    else:
        drawings = [drawing(one, numbers, looking, asked.burned) for numbers in _frames(one, offer, asked.numbers)]
    return [Part(offer.name, [each.made(edge.archive)]) for each in drawings]


def _frames(one: Shown, offer: Offer, numbers: Sequence[int]) -> list[Sequence[int]]:
    """The frames of each picture."""
    if numbers and max(numbers) > one.frames:
        raise not_found("the instance has no such frame")
    every = numbers or range(1, one.frames + 1)
    if offer.name == GIF and not offer.parts:
        return [every]
    if not numbers and not offer.parts:
        return [[representative_frame(one)]]
    if len(every) > PARTS:
        raise too_large(f"a request may ask for at most {PARTS} pictures")
    return [[number] for number in every]


async def presented(
    edge: Edge, access: AccessContext, state: Shown, looking: Look, asked: Asked, *, every: bool
) -> list[Drawing]:
    """The images that a presentation state presents, or the first of them. Raises NotFound without any."""
    if asked.numbers:
        raise not_found("a presentation state has no frames")
    if state.instance.sop_class == BLENDING_STATE:
        return await _blended(edge, access, state, looking, asked, every=every)
    named = images_of(Attributes(state.members, lambda _: b""))
    images = await aat_once(edge.pool, referenced(access, state.instance.study, [uid for uid, _ in named]))
    applied = stored_of(state)
    found = [
        drawing(image, [number], looking, asked.burned, applied)
        for uid, numbers in named
        if (image := images.get(uid)) is not None and image.category is Category.IMAGE
        for number in (numbers or range(1, image.frames + 1))[:PARTS]
        if number <= image.frames
    ]
    if not found:
        raise not_found("the images that the presentation state refers to are not here")
    return found[:PARTS] if every else found[:1]


async def _blended(
    edge: Edge, access: AccessContext, state: Shown, looking: Look, asked: Asked, *, every: bool
) -> list[Drawing]:
    """The pairs of images that a state blends, or the first of them. Raises NotFound without any."""
    pairs = (await pairs_of(edge, access, state))[: PARTS if every else 1]
    if not pairs:
        raise not_found("the images that the presentation state refers to are not here")
    for of_set in zip(*pairs, strict=True):
        await aat_once(edge.pool, show(access, of_set))
    applied = stored_of(state)
    return [drawing(lower, [1], looking, asked.burned, applied, upper) for lower, upper in pairs]


async def single(edge: Edge, request: Request, part: Part) -> Response:
    """One picture or document; a picture is drawn only for who does not have it."""
    tag = tag_of(part.content_type, identity(part.content))
    if is_known(request, tag):
        return unchanged(tag)
    content = part.content
    if any(isinstance(piece, Made) for piece in content) and request.method != "HEAD":
        content = [edge.pictures.get(tag) or await _drawn(edge, content, tag)]
    headers = {"Content-Security-Policy": POLICY} if part.content_type.startswith(PAGES) else NONE
    return await answer(edge.archive, request, content, part.content_type, tag, headers=headers)


async def _drawn(edge: Edge, content: Content, tag: str) -> bytes:
    """A picture, remembered for who asks next: its tag names the stored object and all that it depends on."""
    picture = await aside(whole, edge.archive, content)
    edge.pictures.put(tag, picture, len(picture))
    return picture


def _form(accepted: Sequence[MediaType], kinds: Sequence[str]) -> str:
    """The form of one picture. Raises NotAcceptable."""
    offers = [Offer(kind) for kind in kinds]
    for offer, _ in acceptable(accepted, offers):
        return offer.name
    raise none_of(offers) if offers else not_acceptable(WHY_NOT[Category.PRESENTATION])


async def thumbnail(edge: Edge, request: Request, access: AccessContext) -> Response:
    """`GET …/thumbnail` of a study, a series, an instance or frames: one picture."""
    looking, _ = look(supported(request, OF_THUMBNAILS))
    check_whole(looking, "thumbnail")
    path = request.path_params
    numbers = tuple(numbers_of(path["frames"])) if "frames" in path else ()
    accepted = wanted(request)

    def decide(one: Shown, kinds: Sequence[str]) -> tuple[Shown, str]:
        if one.category not in DRAWN:
            none = f"there is no thumbnail of a {one.category.value}"
            raise not_acceptable(none if kinds else WHY_NOT.get(one.category, none))
        if numbers and numbers[0] > one.frames:
            raise not_found("the instance has no such frame")
        return one, _form(accepted, kinds)

    if "instance" in path:
        one, kind = await decided(edge, access, _uids(path), "retrieve-thumbnail", decide)
    else:
        kind = _form(accepted, tuple(TYPES))  # an image stands for them, so that its forms are known before it is
        one = await aat_once(edge.pool, representative(access, path["study"], path.get("series")))
    small = replace(looking, kind=kind, viewport=looking.viewport or THUMBNAIL)
    asked = Asked(small, (), ())
    if one.category is Category.PRESENTATION:
        (picture,) = await presented(edge, access, one, small, asked, every=False)
    else:
        picture = drawing(one, numbers[:1] or [representative_frame(one)], small, ())
    return await single(edge, request, Part(small.kind, [picture.made(edge.archive)]))
