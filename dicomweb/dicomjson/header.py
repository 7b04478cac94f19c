"""What one pass over a data set finds."""

from __future__ import annotations

from array import array
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fragments:
    """Encapsulated pixel data: offset and length of each fragment after the Basic Offset Table, whose bytes are
    `table`.

    `openings` are the numbers of the fragments that begin with a start-of-image marker (JPEG family).
    """

    offsets: array[int]
    lengths: array[int]
    openings: array[int]
    table: bytes


@dataclass(frozen=True, slots=True)
class PixelElement:
    """The Pixel Data element: its value representation and where it is, counted in the (inflated) file.

    `start` and `length` cover the whole value, with the fragments' headers when encapsulated; `fragments` is None for
    native pixel data.
    """

    tag: int
    vr: str
    start: int
    length: int
    fragments: Fragments | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """The data set without its bulk data.

    `attributes`: the DICOM JSON attribute (encoded) of the wanted tags, of the top level only. `metadata`: the whole
    data set as one DICOM JSON object, BulkDataURI relative as `bulkdata/{path}`. `bulk`: value representation, offset
    and length by path. `character_set`: the terms of Specific Character Set, in which the data set was.
    """

    attributes: dict[int, bytes]
    metadata: bytes
    bulk: dict[str, tuple[str, int, int]]
    pixel: PixelElement | None = None
    character_set: tuple[str, ...] = ()
