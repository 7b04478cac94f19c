"""Grey values as they are shown: modality transformation, window or VOI LUT, and polarity, to eight bits.

Integers of up to 16 bits go through one table, which is kept as long as the same values are asked for again.
Spec: PS3.3 C.11.1, C.11.2, C.7.6.16.2.9, C.7.6.16.2.10 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from dicomweb.pixel.image import Array, Attributes, Image, broken
from healix_fhir.kernel.errors import invalid

CENTER, WIDTH, FUNCTION = 0x00281050, 0x00281051, 0x00281056
INTERCEPT, SLOPE = 0x00281052, 0x00281053
MODALITY_LUTS, VOI_LUTS = 0x00283000, 0x00283010
LUT_DESCRIPTOR, LUT_DATA = 0x00283002, 0x00283006
PRESENTATION_SHAPE = 0x20500020
PADDING, PADDING_LIMIT = 0x00280120, 0x00280121
SHARED, PER_FRAME = 0x52009229, 0x52009230
TRANSFORMATIONS, FRAME_VOI = 0x00289145, 0x00289132
WHITE = 255


@dataclass(frozen=True, slots=True)
class Window:
    """A window: values around `center`, `width` of them, by one of the three functions."""

    center: float
    width: float
    function: str = "LINEAR"

    def __post_init__(self) -> None:
        least = 1.0 if self.function == "LINEAR" else 0.0
        if self.function not in FUNCTIONS:
            raise invalid("the function of a window is linear, linear-exact or sigmoid", code="value")
        if not np.isfinite([self.center, self.width]).all() or self.width < least or (not least and not self.width):
            raise invalid("the width of a window is at least 1, with linear-exact and sigmoid above 0", code="value")

    def applied(self, values: Array) -> Array:
        """Values between 0 and 1."""
        if self.function == "SIGMOID":
            return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -700, 700))))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return np.asarray(values > self.center - 0.5, dtype=np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1)


FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
BITS = Window(1, 1)
"""Of images of single bits: all of one bit would else have no range."""


@dataclass(frozen=True, slots=True)
class Table:
    """A look-up table: `entries` for values from `first` on, each of so many `bits`."""

    first: int
    bits: int
    entries: tuple[int, ...]

    def applied(self, values: Array) -> Array:
        """The entries of the values; those before the first and behind the last get those two."""
        index = np.clip(np.round(values).astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return np.asarray(self.entries, dtype=np.float64)[index]


@dataclass(frozen=True, slots=True)
class Grey:
    """How grey values are shown; without `voi` their whole range. `padding`: values that are no part of the image;
    `lut` is applied last, over the range from black to white.
    """

    slope: float = 1.0
    intercept: float = 0.0
    modality: Table | None = None
    voi: Window | Table | None = None
    inverse: bool = False
    padding: tuple[int, int] | None = None
    lut: Table | None = None

    def eight_bits(self, samples: Array) -> Array:
        """The samples as shown, 0 black and 255 white."""
        low, high = self._range(samples) if self.voi is None else (0.0, 0.0)
        if samples.dtype.kind in "iu" and samples.dtype.itemsize <= 2:
            table = _table(self, samples.dtype.str, low, high)
            return np.take(table, samples.view(f"u{samples.dtype.itemsize}"))
        return self.shown(samples, low, high)

    def _range(self, samples: Array) -> tuple[float, float]:
        """The least and the greatest value of the image."""
        counted = samples
        if self.padding is not None:
            inside = (samples >= self.padding[0]) & (samples <= self.padding[1])
            counted = samples[~inside] if not inside.all() else samples
        ends = self._values(np.asarray([counted.min(), counted.max()]))
        return float(ends.min()), float(ends.max())

    def _values(self, samples: Array) -> Array:
        if self.modality is not None:
            return self.modality.applied(samples)
        return samples.astype(np.float64) * self.slope + self.intercept

    def shown(self, samples: Array, low: float, high: float) -> Array:
        """The samples as shown, between the least and the greatest value of the image where no window says so."""
        values = self._values(samples)
        if isinstance(self.voi, Window):
            shares = self.voi.applied(values)
        elif self.voi is not None:
            shares = self.voi.applied(values) / ((1 << self.voi.bits) - 1)
        else:
            shares = (values - low) / (high - low) if high > low else np.zeros_like(values)
        bright = np.nan_to_num(np.clip(shares, 0, 1), nan=0.0)
        if self.lut is not None:
            index = np.rint(bright * (len(self.lut.entries) - 1))
            bright = replace(self.lut, first=0).applied(index) / ((1 << self.lut.bits) - 1)
        return np.asarray(np.rint((1 - bright if self.inverse else bright) * WHITE), dtype=np.uint8)


@lru_cache(maxsize=256)
def _table(grey: Grey, dtype: str, low: float, high: float) -> Array:
    """What is shown for every value of an integer type, by its bits."""
    width = np.dtype(dtype).itemsize
    values = np.arange(1 << 8 * width, dtype=f"u{width}").view(dtype)
    return grey.shown(values, low, high)


def grey(attributes: Attributes, image: Image, number: int, window: Window | None) -> Grey:
    """How frame `number` (from 1) is shown: by `window`, else as the instance says, by its first window."""
    groups = [item for tag in (PER_FRAME, SHARED) for item in _group(attributes, tag, number)]
    values = next((found for item in groups for found in item.items(TRANSFORMATIONS)[:1]), attributes)
    shown = next((found for item in groups for found in item.items(FRAME_VOI)[:1]), attributes)
    luts = values.items(MODALITY_LUTS)
    voi = window or of_voi(shown, signed=image.signed)
    return Grey(
        _first(values.numbers(SLOPE), 1.0),
        _first(values.numbers(INTERCEPT), 0.0),
        table(luts[0], signed=image.signed) if luts else None,
        BITS if voi is None and image.bits_allocated == 1 else voi,
        image.photometric == "MONOCHROME1" or attributes.text(PRESENTATION_SHAPE) == "INVERSE",
        _padding(attributes),
    )


def _group(attributes: Attributes, tag: int, number: int) -> list[Attributes]:
    """The functional groups of a frame, or those that all share."""
    items = attributes.items(tag)
    at = 0 if tag == SHARED else number - 1
    return items[at : at + 1]


def of_voi(attributes: Attributes, *, signed: bool) -> Window | Table | None:
    """The first window of a data set or item, else its first table; None without."""
    centers, widths = attributes.numbers(CENTER), attributes.numbers(WIDTH)
    function = attributes.text(FUNCTION) or "LINEAR"
    if centers and widths and function in FUNCTIONS and widths[0] >= (1 if function == "LINEAR" else 1e-9):
        return Window(centers[0], widths[0], function)
    luts = attributes.items(VOI_LUTS)
    return table(luts[0], signed=signed) if luts else None


def table(item: Attributes, *, signed: bool) -> Table:
    """A look-up table of a sequence's item. Its entries are US, SS or OW. Spec: PS3.3 C.11.1.1 (2024d)"""
    size, first, bits = descriptor(item.numbers(LUT_DESCRIPTOR), signed=signed)
    entries: Sequence[int] = [int(value) & 0xFFFF for value in item.numbers(LUT_DATA)]
    if not entries:
        data = item.octets(LUT_DATA)
        entries = np.frombuffer(data[: size * 2], "<u2" if len(data) >= size * 2 else "u1").tolist()
    if len(entries) < size:
        raise broken("a look-up table is shorter than its descriptor says")
    return Table(first, bits, tuple(entries[:size]))


def descriptor(numbers: Sequence[float], *, signed: bool) -> tuple[int, int, int]:
    """Entries, first value and bits. Zero entries mean 65,536; the first value has the sign of the pixels."""
    if len(numbers) != 3:
        raise broken("a look-up table has no descriptor of three numbers")
    size, first, bits = (int(number) for number in numbers)
    if signed and first > 0x7FFF:
        first -= 0x10000
    if not 1 <= bits <= 16:
        raise broken("a look-up table has no valid number of bits")
    return (size & 0xFFFF) or 0x10000, first, bits


def _padding(attributes: Attributes) -> tuple[int, int] | None:
    found = [attributes.numbers(tag) for tag in (PADDING, PADDING_LIMIT)]
    if not found[0]:
        return None
    ends = [int(found[0][0]), int(found[1][0]) if found[1] else int(found[0][0])]
    return min(ends), max(ends)


def _first(numbers: Sequence[float], default: float) -> float:
    return numbers[0] if numbers else default
