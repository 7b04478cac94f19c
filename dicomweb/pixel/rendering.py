"""A frame as people see it: decoded, windowed, scaled to the viewport, annotated, and written as a common image.

Spec: PS3.18 8.3.5 and 8.7.4 (2024d)
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dicomweb.pixel.colour import PROFILE, coloured, rgb
from dicomweb.pixel.drawing import presented, shuttered
from dicomweb.pixel.frames import Located
from dicomweb.pixel.grey import WHITE, Grey, Window
from dicomweb.pixel.image import Array, Attributes, Image, broken
from dicomweb.pixel.overlay import graphics
from dicomweb.pixel.presentation import Presentation
from dicomweb.pixel.profiles import profiled
from dicomweb.pixel.transcode import decoded, interpretation
from healix_fhir.kernel.errors import Category, HealixError, invalid

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

JPEG, PNG, GIF = "image/jpeg", "image/png", "image/gif"
TYPES = {JPEG: "JPEG", PNG: "PNG", GIF: "GIF"}
"""The media types of rendered images, the default first."""
ASPECT, SPACING, IMAGER_SPACING = 0x00280034, 0x00280030, 0x00181164
GIF_DELAY = 100
"""Milliseconds between frames that say nothing of their time."""
FRAME_TIME = 0x00181063


SHOWING = ("0028", "6", "00181063", "00181164")
"""How the tags of attributes begin that colours, overlays and scaling need."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """The size of the picture, and the region of the image that is scaled to fit it; a negative size flips.

    A `width` or `height` of 0 is as large as the other one has it, and both of 0 leave each pixel of the region one.
    `fractions`: the region is told in fractions of the image, or of what a presentation state makes of it.
    """

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    region_width: float | None = None
    region_height: float | None = None
    fractions: bool = False

    def of(self, width: int, height: int) -> Viewport:
        """The same with its region in pixels of a picture of this size."""
        if not self.fractions:
            return self
        return Viewport(
            self.width, self.height, self.left * width, self.top * height,
            None if self.region_width is None else self.region_width * width,
            None if self.region_height is None else self.region_height * height,
        )  # fmt: skip


LARGEST = 8192
"""Pixels of a side of a picture."""


@dataclass(frozen=True, slots=True)
class Look:
    """How frames are to be rendered. `labels` are lines of text to burn in; `profile`: which colour profile the
    picture gets (dicomweb/pixel/profiles.py); empty for none.
    """

    kind: str = JPEG
    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90
    labels: tuple[str, ...] = ()
    profile: str = ""
    presentation: Presentation | None = None
    blend: Blend | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One frame: its bytes as `transcode.decoded` takes them, or where they lie, its number from 1, and how grey values
    are shown.
    """

    data: bytes | Located
    syntax: str | None
    number: int
    grey: Grey | None = None


@dataclass(frozen=True, slots=True)
class Blend:
    """What lies over a grey image: a frame of another one, in the colours of `palette`, and its share from 0 to 1."""

    source: Source
    image: Image
    palette: bytes
    opacity: float


def render(
    sources: Sequence[Source], image: Image, members: Mapping[str, Any], bulk: Mapping[str, bytes], look: Look
) -> bytes:
    """One picture of one frame, or with several frames one that moves. `members` are the attributes that `SHOWING`
    names, as DICOM JSON, and `bulk` their values that are left out there.

    Raises Unprocessable for pixels that cannot be decoded or shown, Invalid for a viewport that shows nothing.
    """
    attributes = Attributes(members, lambda path: bulk.get(path, b""))
    pictures = [_fitted(_picture(source, image, attributes, look), attributes, look) for source in sources]
    return _written(pictures, attributes, look)


def _picture(source: Source, image: Image, attributes: Attributes, look: Look) -> Picture:
    from PIL import Image as pillow  # noqa: N813 - the library's name for it

    over = look.presentation
    data = source.data.read() if isinstance(source.data, Located) else source.data
    samples = decoded(data, source.syntax, image)
    if image.is_grey:
        shown = (source.grey or Grey()).eight_bits(samples)
    else:
        shown = rgb(samples, image, interpretation(source.syntax, image), attributes)
    if over is not None and over.palette:
        if not image.is_grey:
            raise HealixError(Category.NOT_ACCEPTABLE, "a palette of a presentation state is for grey images only")
        shown = coloured(shown, over.palette)
    if look.blend is not None:
        shown = _blended(shown, look.blend)
    mask = _mask(image, over.overlay) if over else graphics(attributes, (image.rows, image.columns), source.number)
    if mask is not None:
        shown = shown.copy()
        shown[mask] = WHITE
    if over is not None:
        shown = shuttered(shown, over, _mask(image, over.covered))
    return pillow.fromarray(np.ascontiguousarray(shown))


def _blended(under: Array, blend: Blend) -> Array:
    """Grey values with colours over them. Spec: PS3.4 N.2.4.3 (2024d)"""
    data = blend.source.data
    samples = decoded(data.read() if isinstance(data, Located) else data, blend.source.syntax, blend.image)
    grey = (blend.source.grey or Grey()).eight_bits(samples)
    colours = coloured(grey, blend.palette) if blend.palette else np.repeat(grey[..., None], 3, axis=-1)
    mixed = colours * blend.opacity + under[..., None] * (1 - blend.opacity)
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def _mask(image: Image, packed: bytes) -> Array | None:
    if not packed:
        return None
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), count=image.rows * image.columns)
    return bits.reshape(image.rows, image.columns).astype(bool)


def _fitted(picture: Picture, attributes: Attributes, look: Look) -> Picture:
    """The region of the viewport, scaled to fit it with square pixels."""
    from PIL import Image as pillow  # noqa: N813
    from PIL import ImageOps

    viewport = look.viewport
    tall = _height_of_pixel(attributes)
    if look.presentation is not None:
        whole = viewport is not None and not (viewport.left or viewport.top or viewport.region_width)
        fit = (viewport.width or LARGEST, viewport.height or LARGEST) if viewport is not None and whole else None
        picture = presented(picture, look.presentation, look.presentation.tall or tall, fit)
        tall = 1.0
    if viewport is None:
        if tall == 1:
            return _labelled(picture, look.labels)
        size = (picture.width, max(1, round(picture.height * tall)))
        return _labelled(picture.resize(size, pillow.Resampling.BILINEAR), look.labels)
    viewport = viewport.of(picture.width, picture.height)
    width = viewport.region_width if viewport.region_width is not None else picture.width - viewport.left
    height = viewport.region_height if viewport.region_height is not None else picture.height - viewport.top
    box = (viewport.left, viewport.top, viewport.left + abs(width), viewport.top + abs(height))
    box = (max(0.0, box[0]), max(0.0, box[1]), min(picture.width, box[2]), min(picture.height, box[3]))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise broken("the region of the viewport is outside the image")
    wide, high = box[2] - box[0], (box[3] - box[1]) * tall
    scale = 1.0
    if viewport.width or viewport.height:
        scale = min((viewport.width or LARGEST) / wide, (viewport.height or LARGEST) / high)
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    filter_ = (
        pillow.Resampling.BILINEAR if scale > 1 else pillow.Resampling.BOX if scale < 0.5 else pillow.Resampling.HAMMING
    )
    fitted = picture.resize(size, filter_, box)
    if width < 0:
        fitted = ImageOps.mirror(fitted)
    if height < 0:
        fitted = ImageOps.flip(fitted)
    return _labelled(fitted, look.labels)


def _height_of_pixel(attributes: Attributes) -> float:
    """How much higher than wide a pixel is. Spec: PS3.3 C.7.6.3.1.7 (2024d)"""
    for tag in (ASPECT, SPACING, IMAGER_SPACING):
        found = attributes.numbers(tag)
        if len(found) == 2 and min(found) > 0 and max(found) / min(found) <= 100:
            return found[0] / found[1]
    return 1.0


def _labelled(picture: Picture, labels: Sequence[str]) -> Picture:
    """The picture with lines of text at its upper left, white with a black edge."""
    if not labels:
        return picture
    from PIL import ImageDraw, ImageFont

    size = max(8, picture.height // 40)
    ImageDraw.Draw(picture).multiline_text(
        (size // 2, size // 2),
        "\n".join(labels),
        fill="white",
        font=ImageFont.load_default(size),
        stroke_width=1,
        stroke_fill="black",
    )
    return picture


def _written(pictures: Sequence[Picture], attributes: Attributes, look: Look) -> bytes:
    first, *others = pictures
    options: dict[str, Any] = {}
    if look.kind == JPEG:
        options |= {"quality": look.quality}
    if look.kind == PNG:
        options |= {"compress_level": 1}
    if look.kind == GIF and others:
        delay = attributes.numbers(FRAME_TIME)
        options |= {"save_all": True, "append_images": others, "loop": 0, "duration": delay[0] if delay else GIF_DELAY}
    if look.profile:
        if look.kind == GIF:
            raise invalid("a GIF holds no colour profile: ask for JPEG or PNG", code="value")
        first, options["icc_profile"] = profiled(
            first, look.profile, (look.presentation and look.presentation.profile) or attributes.octets(PROFILE)
        )
    out = io.BytesIO()
    first.save(out, TYPES[look.kind], **options)
    return out.getvalue()
