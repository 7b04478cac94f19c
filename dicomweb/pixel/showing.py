"""From a stored instance to what the renderer needs: frames in little endian, and only the attributes that count.

Spec: PS3.18 8.7.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.syntax import DEFLATED_LITTLE, EXPLICIT_BIG, NATIVE
from dicomweb.pixel.frames import inflated, read, swapped
from dicomweb.pixel.grey import Window, grey
from dicomweb.pixel.image import Attributes, Image, image
from dicomweb.pixel.layout import Layout
from dicomweb.pixel.rendering import SHOWING, Source

WORDS = frozenset({"OW", "US", "SS"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """The arguments of `rendering.render` but for the look."""

    sources: tuple[Source, ...]
    image: Image
    members: dict[str, Any]
    bulk: dict[str, bytes]


def prepared(
    archive: Archive,
    key: str,
    syntax: str,
    layout: Layout,
    members: Mapping[str, Any],
    numbers: Sequence[int],
    window: Window | None,
) -> Prepared:
    """The frames `numbers` (from 1) of an instance, read from the archive. NotFound for one that it does not have."""

    def octets(path: str) -> bytes:
        return _bulk(archive, key, syntax, layout, path)

    attributes = Attributes(members, octets)
    pixels = layout.pixels
    assert pixels is not None, "only instances with pixels are rendered"
    described = image(pixels)
    compressed = None if syntax in NATIVE else syntax
    kept = {tag: member for tag, member in members.items() if tag.startswith(SHOWING)}
    return Prepared(
        tuple(
            Source(
                read(archive, key, syntax, layout, number),
                compressed,
                number,
                grey(attributes, described, number, window) if described.is_grey else None,
            )
            for number in numbers
        ),
        described,
        kept,
        {path: octets(path) for path in _paths(kept)},
    )


def _paths(members: Mapping[str, Any]) -> list[str]:
    return [
        str(member["BulkDataURI"]).removeprefix("bulkdata/") for member in members.values() if "BulkDataURI" in member
    ]


def _bulk(archive: Archive, key: str, syntax: str, layout: Layout, path: str) -> bytes:
    """A value that the metadata leave out, in little endian; empty where there is none."""
    vr, start, length = layout.bulk.get(path, ("", 0, 0))
    if not length:
        return b""
    if syntax == DEFLATED_LITTLE:
        return b"".join(inflated(archive, key, start, length))
    data = archive.read(key, start, length)
    return swapped(data, 2) if syntax == EXPLICIT_BIG and vr in WORDS else data
