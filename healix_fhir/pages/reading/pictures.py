"""Pictures of a study on pages: one small image each, drawn as WADO-RS draws it, and what stands below it.

Spec: PS3.18 10.4.1.1.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from dicomweb.archive.aside import aside
from dicomweb.pixel.rendering import Look, Viewport
from dicomweb.study import key_images
from dicomweb.study.key_images import Mark, Marked, chosen
from dicomweb.study.pictures import Shown
from dicomweb.uid import is_uid
from healix_fhir.care.reports.record.images import drawn
from healix_fhir.kernel.database import atransaction
from healix_fhir.kernel.errors import invalid, not_found
from healix_fhir.kernel.language.catalogue import say
from healix_fhir.model.key_images import key_images_of
from healix_fhir.pages.reading.gate import PICTURE, Caller
from healix_fhir.pages.render import HEADERS
from healix_fhir.pages.site import Site

Json = dict[str, Any]
SMALL, LARGE = Viewport(240, 240), Viewport(1200, 1200)
SERIES_NUMBER, INSTANCE_NUMBER = "00200011", "00200013"


class Shot(msgspec.Struct, frozen=True):
    """A picture on a page: where it is, small and large, which image it is, and what is said of it."""

    source: str
    large: str
    caption: str
    comment: str = ""


async def show(site: Site, request: Request, caller: Caller) -> Response:
    """GET /account/picture with `study`, `instance` and, if wanted, `frame`, `state` (a presentation state) and
    `size=large`: a JPEG.
    """
    given = request.query_params
    study, frame = given.get("study", ""), given.get("frame", "")
    mark = Mark(given.get("instance", ""), number(frame) if frame else None, state=given.get("state", ""))
    found = []
    if is_uid(study) and is_uid(mark.instance):
        found = await atransaction(
            site.pool, lambda: key_images.marked(caller.access, study, [mark], "retrieve-thumbnail")
        )
    if not found or site.archive is None:
        raise not_found("There is no such image.")
    look = Look(viewport=LARGE if given.get("size") == "large" else SMALL)
    picture = await aside(drawn, found[0], site.archive, look)
    return Response(picture, media_type="image/jpeg", headers=HEADERS)


async def shots(site: Site, caller: Caller, report: Json, study: str) -> Sequence[Shot]:
    """The key images of a report: those that it names, then those that are marked in its study."""
    named = [Mark(one.instance, one.frame, one.comment, one.state) for one in key_images_of(report)]
    found = await atransaction(site.pool, lambda: chosen(caller.access, study, named, None))
    return [shot(one) for one in found]


def shot(one: Marked) -> Shot:
    """A picture of an image that is marked."""
    asked = {"study": one.shown.instance.study, "instance": one.mark.instance}
    if one.mark.frame is not None:
        asked["frame"] = str(one.mark.frame)
    if one.state is not None:
        asked["state"] = one.mark.state
    source = f"{PICTURE}?{urlencode(asked)}"
    return Shot(source, f"{source}&size=large", caption(one.shown, one.mark.frame), one.mark.comment)


def caption(shown: Shown, frame: int | None = None) -> str:
    """Which image of a study one is, in words."""
    series, image = (_number(shown, tag) for tag in (SERIES_NUMBER, INSTANCE_NUMBER))
    if frame is None:
        return say("Series {series}, image {image}", series=series, image=image)
    return say("Series {series}, image {image}, frame {frame}", series=series, image=image, frame=frame)


def number(text: str) -> int:
    """A number that a form or an address names. Raises Invalid for none."""
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10):
        raise invalid("There is no such image.")
    return int(text)


def _number(shown: Shown, tag: str) -> str:
    return str(next(iter(shown.members.get(tag, {}).get("Value", ())), "?"))
