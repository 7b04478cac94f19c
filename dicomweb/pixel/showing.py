"""From a stored instance to what the renderer needs: frames in little endian, and only the attributes that count.

Spec: PS3.18 8.7.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dicomweb.archive.blobs import Archive
from dicomweb.dicomjson.syntax import NATIVE
from dicomweb.pixel.blending import opacity_of, sets_of
from dicomweb.pixel.bulk import value
from dicomweb.pixel.frames import located
from dicomweb.pixel.grey import Grey, Window, grey
from dicomweb.pixel.image import Attributes, Image, image
from dicomweb.pixel.layout import Layout
from dicomweb.pixel.overlay import bitmap_shutter, presented_overlays
from dicomweb.pixel.presentation import Presentation, presentation, presented_grey
from dicomweb.pixel.rendering import SHOWING, Blend, Source

SOPInstanceUID = "00080018"


@dataclass(frozen=True, slots=True)
class Prepared:
    """The arguments of `rendering.render` but for the look."""

    sources: tuple[Source, ...]
    image: Image
    members: dict[str, Any]
    bulk: dict[str, bytes]
    presentation: Presentation | None = None
    blend: Blend | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """An instance in the archive: its blob, how it is encoded, where things are in it, and its DICOM JSON."""

    key: str
    syntax: str
    layout: Layout
    members: Mapping[str, Any]

    def attributes(self, archive: Archive) -> Attributes:
        """Its attributes; what the DICOM JSON leaves out is read when it is asked for."""
        return Attributes(self.members, lambda path: value(archive, self.key, self.syntax, self.layout, path))


def prepared(
    archive: Archive,
    one: Stored,
    numbers: Sequence[int],
    window: Window | None,
    state: Stored | None = None,
    upper: Stored | None = None,
) -> Prepared:
    """The frames `numbers` (from 1) of an instance, read from the archive; under the presentation state `state` the
    first of them, with the image `upper` over it where that blends them. NotFound for one that it does not have.
    """
    key, syntax, layout, members = one.key, one.syntax, one.layout, one.members
    attributes = one.attributes(archive)
    pixels = layout.pixels
    assert pixels is not None, "only instances with pixels are rendered"
    described = image(pixels)
    compressed = None if syntax in NATIVE else syntax
    kept = {tag: member for tag, member in members.items() if tag.startswith(SHOWING)}

    def shown(number: int) -> Grey | None:
        if not described.is_grey:
            return None
        if over is None:
            return grey(attributes, described, number, window)
        return presented_grey(sets[0] if sets else over, uid, number, window, signed=described.signed)

    over = state.attributes(archive) if state else None
    sets = sets_of(over) if over is not None and upper is not None else None
    uid = str((members.get(SOPInstanceUID, {}).get("Value") or [""])[0])
    how = presentation(over, uid, numbers[0]) if over is not None else None
    if how is not None and over is not None:
        shape = described.rows, described.columns
        mask = presented_overlays(over, attributes, shape, numbers[0])
        how = replace(how, overlay=mask, covered=bitmap_shutter(over, shape, numbers[0]))
    blend = None
    if over is not None and upper is not None and sets is not None and how is not None:
        blend = _blend(archive, upper, sets[1], how.palette, opacity_of(over))
        how = replace(how, palette=b"")
    return Prepared(
        tuple(
            Source(
                located(archive, key, syntax, layout, number),
                compressed,
                number,
                shown(number),
            )
            for number in numbers
        ),
        described,
        kept,
        {path: value(archive, key, syntax, layout, path) for path in _paths(kept)},
        how,
        blend,
    )


def _blend(archive: Archive, upper: Stored, of_set: Attributes, palette: bytes, opacity: float) -> Blend:
    """The one frame of the image that lies over another."""
    pixels = upper.layout.pixels
    assert pixels is not None, "only instances with pixels are blended"
    described = image(pixels)
    uid = str((upper.members.get(SOPInstanceUID, {}).get("Value") or [""])[0])
    source = Source(
        located(archive, upper.key, upper.syntax, upper.layout, 1),
        None if upper.syntax in NATIVE else upper.syntax,
        1,
        presented_grey(of_set, uid, 1, None, signed=described.signed),
    )
    return Blend(source, described, palette, opacity)


def _paths(members: Mapping[str, Any]) -> list[str]:
    return [
        str(member["BulkDataURI"]).removeprefix("bulkdata/") for member in members.values() if "BulkDataURI" in member
    ]
