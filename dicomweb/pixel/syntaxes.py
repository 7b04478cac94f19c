"""What can be done with frames of each transfer syntax. No numbers are crunched here, so that a web process that serves
no pictures need not load what does.

Spec: PS3.6 Table A-1, PS3.5 8.2 (2024d)
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomweb.dicomjson.syntax import (
    DEFLATED_FRAMES,
    ENCAPSULATED_UNCOMPRESSED,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    NATIVE,
    REFERENCED,
    RLE_LOSSLESS,
)
from dicomweb.pixel.frames import served_syntax
from dicomweb.pixel.image import Image

JPEG_BASELINE, JPEG_EXTENDED = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS, JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"
JPEG_LS_LOSSLESS, JPEG_LS = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS, JPEG_2000 = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION, JPEG_XL = (f"1.2.840.10008.1.2.4.{n}" for n in (110, 111, 112))
HTJ2K_LOSSLESS, HTJ2K_RPCL, HTJ2K = (f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203))

LARGEST = 512 << 20
"""Bytes of an object that is rewritten; it is in memory more than once meanwhile."""
WRITTEN = frozenset({EXPLICIT_LITTLE, IMPLICIT_LITTLE})
"""The uncompressed transfer syntaxes that objects are written in."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Whether a compressed transfer syntax loses nothing, and whether frames are written in it; all are read."""

    lossless: bool
    written: bool


COMPRESSED: dict[str, Kind] = {
    RLE_LOSSLESS: Kind(lossless=True, written=True),
    JPEG_BASELINE: Kind(lossless=False, written=True),
    JPEG_EXTENDED: Kind(lossless=False, written=False),
    JPEG_LOSSLESS: Kind(lossless=True, written=True),
    JPEG_LOSSLESS_SV1: Kind(lossless=True, written=True),
    JPEG_LS_LOSSLESS: Kind(lossless=True, written=True),
    JPEG_LS: Kind(lossless=False, written=True),
    JPEG_2000_LOSSLESS: Kind(lossless=True, written=True),
    JPEG_2000: Kind(lossless=False, written=True),
    HTJ2K_LOSSLESS: Kind(lossless=True, written=True),
    HTJ2K_RPCL: Kind(lossless=True, written=True),
    HTJ2K: Kind(lossless=False, written=True),
    JPEG_XL_LOSSLESS: Kind(lossless=True, written=False),
    JPEG_XL_RECOMPRESSION: Kind(lossless=False, written=False),
    JPEG_XL: Kind(lossless=False, written=False),
    ENCAPSULATED_UNCOMPRESSED: Kind(lossless=True, written=False),
    DEFLATED_FRAMES: Kind(lossless=True, written=False),
}


def default_syntax(stored: str) -> str:
    """The transfer syntax for a caller who names none: Explicit VR Little Endian, but as it is stored for what lost
    something when it was compressed, or cannot be decoded. Spec: PS3.18 8.7.3 (2024d)
    """
    kind = COMPRESSED.get(stored)
    return EXPLICIT_LITTLE if stored in NATIVE or (kind is not None and kind.lossless) else stored


def can_encode(TransferSyntaxUID: str, image: Image) -> bool:  # noqa: N803 - a DICOM keyword
    """Whether frames like this can be written in a compressed transfer syntax. Spec: PS3.5 8.2 (2024d)"""
    kind = COMPRESSED.get(TransferSyntaxUID)
    if kind is None or not kind.written or image.floating or image.bits_allocated < 8:
        return False
    if not kind.lossless and image.photometric == "PALETTE COLOR":  # the neighbour of an index is another colour
        return False
    if TransferSyntaxUID == JPEG_BASELINE:
        return image.bits_allocated == 8 and not image.signed
    return image.bits_allocated <= 16 or TransferSyntaxUID == RLE_LOSSLESS


def can_serve(stored: str, asked: str, image: Image) -> bool:
    """Whether frames stored in one transfer syntax can be served in another."""
    if asked == served_syntax(stored):
        return True
    if stored not in NATIVE and stored not in COMPRESSED:
        return False
    return asked == EXPLICIT_LITTLE or can_encode(asked, image)


def can_rewrite(stored: str, asked: str, image: Image | None, size: int) -> bool:
    """Whether an object of `size` bytes, uncompressed, can be written in another transfer syntax; `image` is None for
    one without pixels, which compressed syntaxes have nothing to do with.
    """
    if asked == stored:
        return True
    if stored in REFERENCED or size > LARGEST:
        return False
    if asked not in WRITTEN:
        return image is not None and can_serve(stored, asked, image)
    return image is None or stored in NATIVE or stored in COMPRESSED
