"""Frames from one transfer syntax to another. What both syntaxes keep without loss is the same afterwards.

Spec: PS3.18 8.7.3.5 (2024d), PS3.5 8.2 (2024d)
"""

from __future__ import annotations

import numpy as np

from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE
from dicomweb.pixel import codec, native
from dicomweb.pixel.colour import rgb
from dicomweb.pixel.image import NO_ATTRIBUTES, Array, Image
from dicomweb.pixel.syntaxes import JPEG_BASELINE, JPEG_EXTENDED


def decoded(data: bytes, syntax: str | None, image: Image) -> Array:
    """The samples of a frame in the compressed `syntax`, or without one native in little endian."""
    return native.samples(data, image) if syntax is None else codec.decode(data, syntax, image)


def interpretation(syntax: str | None, image: Image) -> str:
    """The photometric interpretation of decoded samples."""
    if image.samples == 3 and syntax in (JPEG_BASELINE, JPEG_EXTENDED):
        return "RGB"
    return "RGB" if image.photometric in ("YBR_ICT", "YBR_RCT") else image.photometric


def transcoded(data: bytes, syntax: str | None, image: Image, asked: str) -> bytes:
    """A frame in the transfer syntax `asked`; for an uncompressed one native in little endian, its planes as Planar
    Configuration says. Raises Unprocessable.
    """
    samples = decoded(data, syntax, image)
    if asked == JPEG_BASELINE and image.samples == 3:  # which makes Y, Cb and Cr of what it is given as RGB
        samples = rgb(samples, image, interpretation(syntax, image), NO_ATTRIBUTES)
    if asked != EXPLICIT_LITTLE:
        return codec.encode(samples, asked, image)
    return native_frame(samples, image)


def native_frame(samples: Array, image: Image) -> bytes:
    """Samples as an uncompressed frame in little endian, its planes as Planar Configuration says."""
    if image.bits_allocated == 1:
        return np.packbits(samples.reshape(-1), bitorder="little").tobytes()
    return (np.moveaxis(samples, -1, 0) if image.samples > 1 and image.planar == 1 else samples).tobytes()
