"""Pictures of consumer formats as native pixels: PNG, GIF with its animation, progressive JPEG.

Transparency is dropped, palettes become colours, samples of one to four bits grow to eight. Runs in the processes of
dicomweb/pixel/pool.py, from file to file.
Spec: PS3.18 10.5.2 and Table 10.5.2-1 (2024d)
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from dicomweb.pixel.image import Array, broken
from healix_fhir.kernel.errors import too_large

LARGEST = 512 << 20
"""Bytes of a file, and of the pixels in it."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Native(msgspec.Struct, frozen=True):
    """What the pixels are that were written."""

    rows: int
    columns: int
    samples: int
    bits: int
    frames: int


def native(source: str, start: int, length: int, target: str, kind: str) -> Native:
    """Write the pixels of a picture of media type `kind` in the file `source` to the end of the file `target`.

    Raises Unprocessable for a broken picture, TooLarge for a bomb.
    """
    if length > LARGEST:
        raise too_large(f"a picture to be decoded may have at most {LARGEST >> 20} MB")
    with Path(source).open("rb") as file:
        data = os.pread(file.fileno(), length, start)
    import numpy as np

    read = {"image/png": _png, "image/gif": _gif}.get(kind, _jpeg)
    shape: tuple[int, ...] | None = None
    count = bits = 0
    with Path(target).open("ab") as out:
        try:
            for frame in read(data):
                if shape not in (None, frame.shape):
                    raise broken("the frames of a picture differ in size")
                shape, bits = frame.shape, frame.dtype.itemsize * 8
                count += 1
                _check(frame.nbytes * count)
                out.write(np.ascontiguousarray(frame, frame.dtype.newbyteorder("<")).tobytes())
        except (ValueError, RuntimeError, OSError, SyntaxError, EOFError, IndexError) as error:
            raise broken("a picture is broken", repr(error)) from error
    if shape is None:
        raise broken("a picture has no frame")
    return Native(shape[0], shape[1], shape[2] if len(shape) == 3 else 1, bits, count)


def _check(size: int) -> None:
    if size > LARGEST:
        raise too_large(f"a picture has more than {LARGEST >> 20} MB of pixels")


def _png(data: bytes) -> Iterator[Array]:
    import imagecodecs
    import numpy as np

    if data[:8] != PNG_SIGNATURE or len(data) < 33:
        raise broken("a picture begins like no PNG")
    _check(int.from_bytes(data[16:20]) * int.from_bytes(data[20:24]) * (8 if data[24] == 16 else 4))
    found = np.asarray(imagecodecs.png_decode(data))
    if found.ndim == 3:
        found = found[..., 0] if found.shape[2] <= 2 else found[..., :3]
    yield found


def _gif(data: bytes) -> Iterator[Array]:
    import numpy as np
    from PIL import Image, ImageSequence

    with Image.open(io.BytesIO(data), formats=["GIF"]) as picture:
        _check(picture.width * picture.height * 4)
        for frame in ImageSequence.Iterator(picture):
            yield np.asarray(frame.convert("RGB"))


def _jpeg(data: bytes) -> Iterator[Array]:
    import imagecodecs
    import numpy as np

    yield np.asarray(imagecodecs.jpeg8_decode(data))
