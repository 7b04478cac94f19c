"""Overlay planes: graphics of one bit that lie over the image.

Spec: PS3.3 C.9.2 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dicomweb.pixel.image import Array, Attributes

ROWS, COLUMNS, ORIGIN, TYPE = 0x60000010, 0x60000011, 0x60000050, 0x60000040
BITS, FIRST, FRAMES, DATA = 0x60000100, 0x60000051, 0x60000015, 0x60003000
LAYER = 0x60001001
SHUTTER_SHAPE, SHUTTER_GROUP, FIRST_GROUP = 0x00181600, 0x00181623, 0x6000
GROUPS = range(0, 0x20_0000, 0x2_0000)
"""What is added to a tag for each of the sixteen overlays."""


def presented_overlays(state: Attributes, image: Attributes, shape: tuple[int, int], number: int) -> bytes:
    """The overlays that a presentation state activates, its own or else those of the image, over a frame: the packed
    bits of a mask of rows by columns; empty without any. Spec: PS3.3 C.11.7 (2024d)
    """
    shutter = (state.number(SHUTTER_GROUP) - FIRST_GROUP) << 16
    active = [group for group in GROUPS if state.text(LAYER + group) and group != shutter]
    own = [group for group in active if state.number(ROWS + group)]
    masks = (graphics(state, shape, number, own), graphics(image, shape, number, sorted({*active} - {*own})))
    there = [mask for mask in masks if mask is not None]
    return np.packbits(np.logical_or.reduce(there)).tobytes() if there else b""


def bitmap_shutter(state: Attributes, shape: tuple[int, int], number: int) -> bytes:
    """What the bitmap shutter of a presentation state covers, as the packed bits of a mask; empty without one.

    Spec: PS3.3 C.7.6.15 (2024d)
    """
    if "BITMAP" not in state.values(SHUTTER_SHAPE):
        return b""
    mask = graphics(state, shape, number, [(state.number(SHUTTER_GROUP) - FIRST_GROUP) << 16])
    return np.packbits(mask).tobytes() if mask is not None else b""


def graphics(
    attributes: Attributes, shape: tuple[int, int], number: int, groups: Sequence[int] = GROUPS
) -> Array | None:
    """Where an overlay lies over frame `number`: a mask of rows by columns; None without any.

    Overlays in unused bits of the pixels were retired in 2004 and are not looked for.
    """
    mask = np.zeros(shape, dtype=bool)
    for group in groups:
        rows, columns = attributes.number(ROWS + group), attributes.number(COLUMNS + group)
        if not rows or not columns or attributes.text(TYPE + group) not in ("G", ""):
            continue
        if (
            attributes.number(BITS + group, 1) == 1
            and (plane := _plane(attributes, group, rows, columns, number)) is not None
        ):
            _lay(mask, plane, [int(one) for one in attributes.numbers(ORIGIN + group)] or [1, 1])
    return mask if mask.any() else None


def _plane(attributes: Attributes, group: int, rows: int, columns: int, number: int) -> Array | None:
    """The bits of the overlay for a frame: its own one of several, or the one that all frames share."""
    frames = attributes.number(FRAMES + group, 1)
    at = number - attributes.number(FIRST + group, 1) if frames > 1 else 0
    if not 0 <= at < frames:
        return None
    bits = np.unpackbits(np.frombuffer(attributes.octets(DATA + group), np.uint8), bitorder="little")
    plane = bits[at * rows * columns : (at + 1) * rows * columns]
    return plane.reshape(rows, columns).astype(bool) if len(plane) == rows * columns else None


def _lay(mask: Array, plane: Array, origin: list[int]) -> None:
    """Put `plane` on `mask` with its first pixel at `origin`, a row and a column from 1, as far as it fits."""
    top, left = origin[0] - 1, origin[-1] - 1
    height, width = mask.shape
    part = plane[max(0, -top) : height - top, max(0, -left) : width - left]
    if part.size:
        mask[max(0, top) : max(0, top) + part.shape[0], max(0, left) : max(0, left) + part.shape[1]] |= part
