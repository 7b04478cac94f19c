"""In which forms instances are shown, and those that are no pictures: reports, documents and videos.

Spec: PS3.18 8.7.2, 8.7.4 and Table 8.7.4-1 (2024d)
"""

from __future__ import annotations

from base64 import b64decode

from dicomweb.api.accept import not_acceptable
from dicomweb.api.bulkdata import stream_of, value_content
from dicomweb.api.content import Content, cut, size
from dicomweb.api.edge import Edge
from dicomweb.api.related import Part
from dicomweb.archive.aside import aside
from dicomweb.archive.blobs import Archive
from dicomweb.pixel.rendering import TYPES
from dicomweb.study.pictures import DOCUMENT, Category, Shown
from dicomweb.study.report import html, plain
from dicomweb.study.report.content import report

HTML, PLAIN, MP4 = "text/html", "text/plain", "video/mp4"
DOCUMENTS = frozenset(
    {"application/pdf", "text/xml", "model/stl", "application/sla", "model/obj", "model/mtl", "image/jpeg"}
)
"""Media types of encapsulated documents that are given as they are."""
MEDIA_TYPE, LENGTH = "00420012", "00420015"
SIGNATURE = (4, b"ftyp")
"""Where and how a file of the MP4 family says what it is. Spec: ISO/IEC 14496-12 4.3"""
WHY_NOT = {
    Category.VIDEO: "this video is no MP4 file, which browsers play; its stream is at …/pixeldata",
    Category.DOCUMENT: "this document is of no media type that is shown; it is at …/bulkdata/00420011",
    Category.PRESENTATION: "only grayscale and colour softcopy presentation states are shown",
    Category.OTHER: "this instance is neither image nor text: there is nothing to show",
}
"""Why an instance of a category is not shown."""
PRESENTATION_STATES = frozenset({"1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.11.2"})


async def kinds_of(archive: Archive, one: Shown) -> tuple[str, ...]:
    """The media types that an instance can be shown in, the default first; none where it cannot be shown."""
    match one.category:
        case Category.IMAGE:
            return tuple(TYPES)
        case Category.PRESENTATION:
            return tuple(TYPES) if one.instance.sop_class in PRESENTATION_STATES else ()
        case Category.REPORT:
            return (HTML, PLAIN)
        case Category.DOCUMENT:
            kind = document_type(one)
            return (kind,) if kind in DOCUMENTS else ()
        case Category.VIDEO:
            return (MP4,) if await aside(_is_mp4, archive, one) else ()
    return ()


def document_type(one: Shown) -> str:
    """The media type of an encapsulated document."""
    values = one.members.get(MEDIA_TYPE, {}).get("Value") or [""]
    return str(values[0]).strip().lower()


def _is_mp4(archive: Archive, one: Shown) -> bool:
    at, signature = SIGNATURE
    layout = one.layout
    if not layout.offsets or layout.lengths[0] < at + len(signature):
        return False
    return archive.read(one.instance.key, layout.offsets[0] + at, len(signature)) == signature


async def pages(edge: Edge, one: Shown, kind: str) -> Part:
    """A report, document or video in the media type `kind`."""
    match one.category:
        case Category.REPORT:
            found = report(one.members)
            body = html.page(found) if kind == HTML else plain.text(found)
            return Part(f"{kind}; charset=utf-8", [body])
        case Category.DOCUMENT:
            return Part(kind, _document(edge.archive, one))
        case Category.VIDEO:
            return Part(kind, stream_of(one.instance, one.layout))
    raise not_acceptable(WHY_NOT[Category.OTHER])


def _document(archive: Archive, one: Shown) -> Content:
    """The document without the byte that pads it to an even length."""
    if DOCUMENT in one.layout.bulk:
        content = value_content(archive, one.instance, one.layout, DOCUMENT)
    else:
        content = [b64decode(one.members[DOCUMENT].get("InlineBinary", ""))]
    length, told = size(content), one.members.get(LENGTH, {}).get("Value") or [None]
    if length is not None and isinstance(told[0], int) and 0 < told[0] < length:
        return cut(content, 0, told[0] - 1)
    return content
