"""Colours as they are shown: red, green and blue of eight bits each.

Spec: PS3.3 C.7.6.3.1.2 and C.7.9 (2024d)
"""

from __future__ import annotations

import numpy as np

from dicomweb.pixel.grey import descriptor
from dicomweb.pixel.image import Array, Attributes, Image, broken

RED, GREEN, BLUE = 0x00281101, 0x00281102, 0x00281103
PROFILE = 0x00282000
DATA, SEGMENTED = 0x100, 0x120
"""What is added to the tag of a descriptor for its data, and for data in segments."""
ENTRIES = 1 << 16
GREYS = 256

TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]], dtype=np.float32)
HALF = np.array([0, 128, 128], dtype=np.float32)


def rgb(samples: Array, image: Image, photometric: str, attributes: Attributes) -> Array:
    """The samples, of the photometric interpretation in which they are, as RGB of eight bits."""
    if photometric == "PALETTE COLOR":
        return _palette(samples, image, attributes)
    eight = _eight(samples, image)
    if photometric in ("YBR_FULL", "YBR_FULL_422"):
        return np.asarray(np.clip(np.rint((eight - HALF) @ TO_RGB.T), 0, 255), dtype=np.uint8)
    if photometric in ("RGB", "YBR_ICT", "YBR_RCT"):
        return eight
    raise broken("pixels of this photometric interpretation cannot be rendered")


def whole(samples: Array, image: Image) -> Array:
    """Native samples of YBR_FULL_422 (two of Y, then one of Cb and Cr) with chrominance for each pixel."""
    pairs = samples.reshape(image.rows, image.columns // 2, 4)
    full = np.empty((image.rows, image.columns, 3), samples.dtype)
    full[:, 0::2, 0], full[:, 1::2, 0] = pairs[:, :, 0], pairs[:, :, 1]
    full[:, :, 1:] = np.repeat(pairs[:, :, 2:], 2, axis=1)
    return full


def _eight(samples: Array, image: Image) -> Array:
    if samples.dtype == np.uint8 and image.bits_stored == 8:
        return samples
    if samples.dtype.kind != "u":
        raise broken("coloured pixels with a sign cannot be rendered")
    return np.asarray(np.clip(samples.astype(np.float64) / ((1 << image.bits_stored) - 1), 0, 1) * 255, dtype=np.uint8)


def _palette(samples: Array, image: Image, attributes: Attributes) -> Array:
    channels = []
    for tag in (RED, GREEN, BLUE):
        first, entries = _entries(attributes, tag, signed=image.signed)
        channels.append(entries[np.clip(samples.astype(np.int64) - first, 0, len(entries) - 1)])
    return np.stack(channels, axis=-1)


def colours_of_grey(attributes: Attributes) -> bytes:
    """Red, green and blue of each of 256 grey values, from black to white, by the palette of a presentation state;
    empty without one. Spec: PS3.4 N.2.4, PS3.3 C.7.9 (2024d)
    """
    if not attributes.numbers(RED):
        return b""
    channels = []
    for tag in (RED, GREEN, BLUE):
        _, entries = _entries(attributes, tag, signed=False)
        channels.append(entries[np.rint(np.linspace(0, len(entries) - 1, GREYS)).astype(np.int64)])
    return np.stack(channels, axis=-1).tobytes()


def coloured(shown: Array, palette: bytes) -> Array:
    """Grey values of eight bits in the colours of `colours_of_grey`."""
    return np.frombuffer(palette, np.uint8).reshape(GREYS, 3)[shown]


def _entries(attributes: Attributes, tag: int, *, signed: bool) -> tuple[int, Array]:
    """The value that the first entry of one colour of a palette stands for, and the entries, of eight bits."""
    size, first, bits = descriptor(attributes.numbers(tag), signed=signed)
    data = attributes.octets(tag + DATA)
    if not data:
        data = _expanded(attributes.octets(tag + SEGMENTED), bits)
    wide = len(data) >= size * 2
    entries = np.frombuffer(data, "<u2" if wide else "u1")[:size]
    if len(entries) < size:
        raise broken("a palette is shorter than its descriptor says")
    # eight-bit entries stand in words, most often each in the low byte, of some makers in the high one
    shown = entries >> 8 if wide and (bits > 8 or int(entries.max()) > 255) else entries
    return first, shown.astype(np.uint8)


def _expanded(data: bytes, bits: int) -> bytes:
    """A palette of segments: points, lines and repetitions of earlier segments. Spec: PS3.3 C.7.9.2 (2024d)"""
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2").tolist()
    found: list[int] = []
    starts: list[int] = []
    at = 0
    while at + 1 < len(words):
        kind, length = words[at], words[at + 1]
        starts.append(at)
        at += 2
        if kind == 0:
            found += words[at : at + length]
            at += length
        elif kind == 1 and at < len(words):
            found += _line(found, words[at], length)
            at += 1
        elif kind == 2 and at + 1 < len(words):
            found += _again(words, starts, words[at] | words[at + 1] << 16, length, found)
            at += 2
        else:
            raise broken("a segmented palette has an unknown segment")
        if len(found) > ENTRIES:
            raise broken("a segmented palette has too many entries")
    return np.asarray(found, "<u2" if bits > 8 else "u1").tobytes()


def _line(before: list[int], end: int, length: int) -> list[int]:
    """`length` entries that lead from the last one to `end`."""
    if not before or not length:
        raise broken("a segmented palette begins with a line")
    start = before[-1]
    return [round(start + (end - start) * step / length) for step in range(1, length + 1)]


def _again(words: list[int], starts: list[int], offset: int, count: int, before: list[int]) -> list[int]:
    """The entries of `count` earlier segments, the first of which begins at the byte `offset`."""
    at, found = offset // 2, list(before)
    if at not in starts[:-1]:
        raise broken("a segmented palette repeats what is not there")
    for _ in range(count):
        if at + 2 >= len(words) or len(found) > ENTRIES:
            raise broken("a segmented palette repeats what is not there")
        kind, length = words[at], words[at + 1]
        if kind == 0:
            found += words[at + 2 : at + 2 + length]
            at += 2 + length
        elif kind == 1:
            found += _line(found, words[at + 2], length)
            at += 3
        else:
            raise broken("a segmented palette repeats a repetition")
    return found[len(before) :]
