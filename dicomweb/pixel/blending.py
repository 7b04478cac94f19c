"""Which image lies over which: the two sets of a blending presentation state, sampled at the same places.

The standard leaves it to who renders how the sets are related and sampled anew. Without sampling anything anew, and so
exactly, two images are blended that have the same pixels in space; all others are not.

Spec: PS3.3 A.33.4, C.11.14 and C.7.6.2 (2024d); PS3.4 N.2.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dicomweb.pixel.image import Attributes

BLENDING_STATE = "1.2.840.10008.5.1.4.1.1.11.4"
SETS, POSITION, OPACITY, REGISTRATION = 0x00700402, 0x00700405, 0x00700403, 0x00700404
UNDERLYING, SUPERIMPOSED = "UNDERLYING", "SUPERIMPOSED"
STUDY = 0x0020000D
FRAME_OF_REFERENCE, ROWS, COLUMNS = "00200052", "00280010", "00280011"
PLACE = {"00200032": 3, "00200037": 6, "00280030": 2}
"""Position, orientation and spacing, and how many numbers each has."""
CLOSE = 1e-4
"""Millimetres, or of a direction, that are no difference: what is lost when numbers are written as text."""

Place = tuple[str, int, int, tuple[float, ...]]


def sets_of(state: Attributes) -> tuple[Attributes, Attributes] | None:
    """The underlying and the superimposed set; None where there are not these two, or a registration relates them."""
    found = {one.text(POSITION): one for one in state.items(SETS)}
    if found.keys() != {UNDERLYING, SUPERIMPOSED} or len(state.items(SETS)) != 2 or state.items(REGISTRATION):
        return None
    return found[UNDERLYING], found[SUPERIMPOSED]


def opacity_of(state: Attributes) -> float:
    """The share of the superimposed image, from 0 to 1."""
    return min(max((state.numbers(OPACITY) or [1.0])[0], 0.0), 1.0)


def place_of(members: Mapping[str, Any]) -> Place | None:
    """Where the pixels of an image are; None where it does not say so."""

    def values(tag: str) -> Sequence[Any]:
        found: Sequence[Any] = members.get(tag, {}).get("Value", ())
        return found

    frame, rows, columns = values(FRAME_OF_REFERENCE), values(ROWS), values(COLUMNS)
    numbers = [values(tag) for tag in PLACE]
    if not (frame and rows and columns) or [len(one) for one in numbers] != list(PLACE.values()):
        return None
    return str(frame[0]), int(rows[0]), int(columns[0]), tuple(float(one) for part in numbers for one in part)


def same(one: Place, other: Place) -> bool:
    """Whether every pixel of one is where that of the other is."""
    return one[:3] == other[:3] and all(abs(a - b) <= CLOSE for a, b in zip(one[3], other[3], strict=True))
