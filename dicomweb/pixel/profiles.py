"""Colour profiles of pictures: what a picture is converted to, and what is put into its file.

The profiles of the spaces that can be asked for are made here from their definitions: three primaries, a white point
and a curve, as an ICC profile of version 4.

Spec: PS3.18 8.3.5.1.5 (2024d); ICC.1:2010 7 to 10; IEC 61966-2-1, Adobe RGB (1998), ISO 22028-2 and SMPTE EG 432-1 for
the spaces
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import pack
from typing import TYPE_CHECKING

import numpy as np

from dicomweb.pixel.image import Array, broken

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

D50 = (0.9642, 1.0, 0.8249)
"""The white of the connection space."""
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
DAYLIGHT_65, DAYLIGHT_50 = (0.3127, 0.3290), (0.3457, 0.3585)
HEADER = 128
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@dataclass(frozen=True, slots=True)
class Space:
    """A space of red, green and blue: chromaticities of the three and of white, and what a value stands for.

    `curve` has g, a, b, c and d: (a x + b) ** g from d on, c x below.
    """

    title: str
    primaries: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    white: tuple[float, float]
    curve: tuple[float, float, float, float, float]


SPACES: Mapping[str, Space] = {
    "srgb": Space("sRGB", ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), DAYLIGHT_65, SRGB_CURVE),
    "adobergb": Space(
        "Adobe RGB (1998)", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), DAYLIGHT_65, (563 / 256, 1.0, 0.0, 0.0, 0.0)
    ),
    "rommrgb": Space(
        "ROMM RGB", ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), DAYLIGHT_50, (1.8, 1.0, 0.0, 1 / 16, 1 / 32)
    ),
    "displayp3": Space("Display P3", ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), DAYLIGHT_65, SRGB_CURVE),
}
"""By the value of the parameter."""


def profiled(picture: Picture, asked: str, own: bytes) -> tuple[Picture, bytes]:
    """The picture as `asked` (`yes`, or a space), and the profile for its file; `own` is that of the image, if any.

    Raises Unprocessable for an own profile that is broken or of other colours, where it has to be read.
    """
    from PIL import ImageCms

    coloured = picture.convert("RGB")
    if asked == "yes":
        return (picture if own and picture.mode == "RGB" else coloured), (own or icc("srgb"))
    if not own and asked == "srgb":
        return coloured, icc(asked)
    try:
        found = ImageCms.profileToProfile(coloured, io.BytesIO(own or icc("srgb")), io.BytesIO(icc(asked)))
    except ImageCms.PyCMSError as error:
        raise broken("the colour profile of the image cannot be read", repr(error)) from error
    assert found is not None, "only a change in place returns nothing"
    return found, icc(asked)


@lru_cache(maxsize=len(SPACES))
def icc(name: str) -> bytes:
    """The profile of a space."""
    space = SPACES[name]
    white = _of_chromaticity(space.white)
    adaptation = _adaptation(white)
    columns = adaptation @ _primaries(space, white)
    curve = b"para\0\0\0\0" + pack(">HH", 3, 0) + b"".join(map(_fixed, space.curve))
    tags = [
        (b"desc", _text(space.title)),
        (b"cprt", _text("No copyright, use freely")),
        (b"wtpt", _xyz(D50)),
        (b"chad", b"sf32\0\0\0\0" + b"".join(_fixed(float(one)) for one in adaptation.reshape(-1))),
        *((tag, _xyz(columns[:, n])) for n, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))),
        *((tag, curve) for tag in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    return _file(tags)


def _of_chromaticity(point: tuple[float, float]) -> Array:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _primaries(space: Space, white: Array) -> Array:
    """The matrix from red, green and blue to X, Y and Z."""
    directions = np.stack([_of_chromaticity(one) for one in space.primaries], axis=1)
    return np.asarray(directions * np.linalg.solve(directions, white))


def _adaptation(white: Array) -> Array:
    """The matrix from what is seen under `white` to what is seen under that of the connection space."""
    gain = (BRADFORD @ np.array(D50)) / (BRADFORD @ white)
    return np.asarray(np.linalg.inv(BRADFORD) @ np.diag(gain) @ BRADFORD)


def _fixed(value: float) -> bytes:
    return pack(">i", round(value * 65536))


def _xyz(values: Sequence[float] | Array) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(float(value)) for value in values)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _file(tags: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Header, table of tags, and their data, each at a multiple of four; equal data stands once."""
    table, data = b"", b""
    begin = HEADER + 4 + 12 * len(tags)
    placed: dict[bytes, int] = {}
    for tag, content in tags:
        if content not in placed:
            placed[content] = begin + len(data)
            data += content + b"\0" * (-len(content) % 4)
        table += tag + pack(">II", placed[content], len(content))
    size = begin + len(data)
    head = pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x04200000, b"mntr", b"RGB ", b"XYZ ")
    head += pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + b"".join(map(_fixed, D50))
    return head.ljust(HEADER, b"\0") + pack(">I", len(tags)) + table + data
