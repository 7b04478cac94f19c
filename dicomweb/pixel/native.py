"""Native frames as samples.

Spec: PS3.3 C.7.6.3.1, PS3.5 8.1 (2024d)
"""

from __future__ import annotations

import numpy as np

from dicomweb.pixel.colour import whole
from dicomweb.pixel.image import Array, Image, broken

HALVED = ("YBR_FULL_422",)


def size(image: Image) -> int:
    """Bytes of a frame."""
    if image.bits_allocated == 1:
        return (image.rows * image.columns + 7) // 8
    samples = 2 if image.photometric in HALVED and image.samples == 3 else image.samples
    return image.rows * image.columns * samples * (image.bits_allocated // 8)


def samples(data: bytes, image: Image) -> Array:
    """The samples of a native frame in little endian, planes side by side whatever Planar Configuration says.

    Chrominance that two pixels share is given to both. Bits above Bits Stored are no part of a sample.
    """
    if image.bits_allocated == 1:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[: image.rows * image.columns]
        return _shaped(bits, image)
    found = np.frombuffer(data, image.dtype)
    if image.photometric in HALVED and image.samples == 3:
        if image.columns % 2 or found.size != image.rows * image.columns * 2:
            raise broken("the pixels are not as many as their attributes say")
        return whole(found, image)
    return _stored(_shaped(found, image), image)


def _shaped(found: Array, image: Image) -> Array:
    if found.size != image.rows * image.columns * image.samples:
        raise broken("the pixels are not as many as their attributes say")
    if image.samples > 1 and image.planar == 1:
        return np.moveaxis(found.reshape(image.samples, image.rows, image.columns), 0, -1)
    return found.reshape(image.shape)


def _stored(found: Array, image: Image) -> Array:
    unused = image.bits_allocated - image.bits_stored
    if not unused or image.floating:
        return found
    return np.right_shift(np.left_shift(found, unused), unused)
