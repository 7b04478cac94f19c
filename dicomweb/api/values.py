"""The content of single values: as they are served, videos as one stream, documents in their own media type.

Spec: PS3.18 8.7.3.3 (2024d), PS3.3 C.24.2 (2024d)
"""

from __future__ import annotations

from base64 import b64decode
from functools import partial

from dicomweb.api.content import Content, Made, Stretch, cut, size
from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.syntax import DEFLATED_LITTLE
from dicomweb.pixel.bulk import turned, width
from dicomweb.pixel.layout import Layout
from dicomweb.study.pictures import DOCUMENT, Shown
from dicomweb.study.retrieve import Instance

DOCUMENTS = frozenset(
    {"application/pdf", "text/xml", "model/stl", "application/sla", "model/obj", "model/mtl", "image/jpeg"}
)
"""Media types of encapsulated documents that are given as they are."""
MEDIA_TYPE, LENGTH = "00420012", "00420015"


def value_content(archive: Archive, one: Instance, layout: Layout, path: str) -> Content:
    """A value as it is served."""
    if one.transfer_syntax == DEFLATED_LITTLE or width(one.transfer_syntax, layout, path):
        return [Made(partial(turned, archive, one.key, one.transfer_syntax, layout, path), one.key)]
    _, start, length = layout.bulk[path]
    return [Stretch(one.key, start, length)]


def stream_of(one: Instance, layout: Layout) -> list[Stretch]:
    """The stream of a video: its fragments, one after the other. Spec: PS3.5 8.2.5 to 8.2.8 (2024d)"""
    return [Stretch(one.key, start, length) for start, length in zip(layout.offsets, layout.lengths, strict=True)]


def document_type(one: Shown) -> str | None:
    """The media type of an encapsulated document; None for one that is not given as such."""
    values = one.members.get(MEDIA_TYPE, {}).get("Value") or [""]
    kind = str(values[0]).strip().lower()
    return kind if kind in DOCUMENTS else None


def document_content(archive: Archive, one: Shown) -> Content:
    """The document without the byte that pads it to an even length, where its length is told."""
    if DOCUMENT in one.layout.bulk:
        content = value_content(archive, one.instance, one.layout, DOCUMENT)
    else:
        content = [b64decode(one.members[DOCUMENT].get("InlineBinary", ""))]
    length, told = size(content), one.members.get(LENGTH, {}).get("Value") or [None]
    if length is not None and isinstance(told[0], int) and 0 < told[0] < length:
        return cut(content, 0, told[0] - 1)
    return content
