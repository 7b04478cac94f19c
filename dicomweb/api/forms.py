"""In which forms instances are shown, and those that are no pictures: reports, documents and videos.

Spec: PS3.18 8.7.2, 8.7.4 and Table 8.7.4-1 (2024d)
"""

from __future__ import annotations

import msgspec

from dicomweb.api.accept import not_acceptable
from dicomweb.api.blending import pairs_of
from dicomweb.api.edge import Edge
from dicomweb.api.frames import location
from dicomweb.api.related import Part
from dicomweb.api.values import document_content, document_type, stream_of
from dicomweb.archive.aside import aside
from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.xml import native_model
from dicomweb.pixel.blending import BLENDING_STATE
from dicomweb.pixel.rendering import TYPES
from dicomweb.study.pictures import Category, Shown
from dicomweb.study.report import html, plain
from dicomweb.study.report.content import report
from dicomweb.study.retrieve import absolute
from smart_auth.access import AccessContext

HTML, PLAIN, XML, MP4 = "text/html", "text/plain", "text/xml", "video/mp4"
SIGNATURE = (4, b"ftyp")
"""Where and how a file of the MP4 family says what it is. Spec: ISO/IEC 14496-12 4.3"""
WHY_NOT = {
    Category.VIDEO: "this video is no MP4 file, which browsers play; its stream is at …/pixeldata",
    Category.DOCUMENT: "this document is of no media type that is shown; it is at …/bulkdata/00420011",
    Category.PRESENTATION: "only grayscale, colour and pseudo-colour softcopy presentation states are shown, and of"
    " blending ones those whose images are sampled at the same places",
    Category.OTHER: "this instance is neither image nor text: there is nothing to show",
}
"""Why an instance of a category is not shown."""
PRESENTATION_STATES = frozenset(f"1.2.840.10008.5.1.4.1.1.11.{number}" for number in (1, 2, 3))
"""Grayscale, colour, pseudo-colour: those that present an image at a time."""


async def kinds_of(edge: Edge, access: AccessContext, one: Shown) -> tuple[str, ...]:
    """The media types that an instance can be shown in, the default first; none where it cannot be shown."""
    kinds = kinds_at_once(one)
    if kinds is not None:
        return kinds
    if one.category is Category.PRESENTATION:
        return tuple(TYPES) if await pairs_of(edge, access, one) else ()
    return (MP4,) if await aside(_is_mp4, edge.archive, one) else ()


def kinds_at_once(one: Shown) -> tuple[str, ...] | None:
    """The same without a look at anything else; None for a video, which says in the archive what it is, and for a state
    that blends images, which have to be at the same places.
    """
    match one.category:
        case Category.IMAGE:
            return tuple(TYPES)
        case Category.PRESENTATION:
            if one.instance.sop_class == BLENDING_STATE:
                return None
            return tuple(TYPES) if one.instance.sop_class in PRESENTATION_STATES else ()
        case Category.REPORT:
            return (HTML, PLAIN, XML)
        case Category.DOCUMENT:
            return (kind,) if (kind := document_type(one)) else ()
        case Category.VIDEO:
            return None
    return ()


def _is_mp4(archive: Archive, one: Shown) -> bool:
    at, signature = SIGNATURE
    layout = one.layout
    if not layout.offsets or layout.lengths[0] < at + len(signature):
        return False
    return archive.read(one.instance.key, layout.offsets[0] + at, len(signature)) == signature


def _written(one: Shown, kind: str, where: str) -> bytes:
    """A report. As XML it is the document of the standard for a whole object. Spec: PS3.19 A.1 (2024d)"""
    if kind == XML:
        return native_model(absolute(msgspec.json.encode(one.members), where))
    found = report(one.members)
    return html.page(found) if kind == HTML else plain.text(found)


async def pages(edge: Edge, one: Shown, kind: str) -> Part:
    """A report, document or video in the media type `kind`."""
    match one.category:
        case Category.REPORT:
            return Part(f"{kind}; charset=utf-8", [_written(one, kind, f"{location(edge.base, one.instance)}/")])
        case Category.DOCUMENT:
            return Part(kind, document_content(edge.archive, one))
        case Category.VIDEO:
            return Part(kind, stream_of(one.instance, one.layout))
    raise not_acceptable(WHY_NOT[Category.OTHER])
