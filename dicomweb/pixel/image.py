"""What the attributes of an instance say of its pixels, as far as codecs and rendering need it.

Spec: PS3.3 C.7.6.3 (2024d)
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from dicomweb.pixel.layout import Pixels
from healix_fhir.kernel.errors import Category, HealixError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Array: TypeAlias = "npt.NDArray[Any]"


def broken(message: str, detail: str | None = None) -> HealixError:
    """Pixels that contradict their description, or their codec."""
    return HealixError(Category.UNPROCESSABLE, message, detail=detail)


class Image(msgspec.Struct, frozen=True):
    """One frame: its size, the form of its samples, and what they mean."""

    rows: int
    columns: int
    samples: int = 1
    bits_allocated: int = 8
    bits_stored: int = 8
    signed: bool = False
    photometric: str = "MONOCHROME2"
    planar: int = 0
    floating: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, columns and, where there are several, samples."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a sample; single bits are held as bytes."""
        import numpy as np

        if self.floating:
            return np.dtype(f"<f{self.bits_allocated // 8}")
        return np.dtype(f"<{'i' if self.signed else 'u'}{max(self.bits_allocated // 8, 1)}")

    @property
    def is_grey(self) -> bool:
        """Whether a sample is a grey value."""
        return self.samples == 1 and self.photometric != "PALETTE COLOR"


class Attributes:
    """The attributes of a data set as DICOM JSON; `bulk` reads what is left out there, by its path.

    Values of binary representations are in little endian.
    """

    def __init__(self, members: Mapping[str, Any], bulk: Callable[[str], bytes]) -> None:
        self._members = members
        self._bulk = bulk

    def values(self, tag: int) -> list[Any]:
        """The values of an element, without empty ones."""
        member = self._members.get(f"{tag:08X}")
        return [value for value in member.get("Value", ()) if value is not None] if member else []

    def numbers(self, tag: int) -> list[float]:
        """The values that are numbers."""
        return [float(value) for value in self.values(tag) if isinstance(value, (int, float))]

    def number(self, tag: int, default: int = 0) -> int:
        """The first number."""
        found = self.numbers(tag)
        return int(found[0]) if found else default

    def text(self, tag: int) -> str:
        """The first value as text."""
        found = self.values(tag)
        return str(found[0]).strip() if found else ""

    def items(self, tag: int) -> list[Attributes]:
        """The items of a sequence."""
        return [Attributes(item, self._bulk) for item in self.values(tag) if isinstance(item, dict)]

    def octets(self, tag: int) -> bytes:
        """A binary value, from the metadata or from the instance's file."""
        member = self._members.get(f"{tag:08X}", {})
        if "BulkDataURI" in member:
            return self._bulk(str(member["BulkDataURI"]).removeprefix("bulkdata/"))
        return b64decode(member.get("InlineBinary", ""))


NO_ATTRIBUTES = Attributes({}, lambda _: b"")


def image(pixels: Pixels) -> Image:
    """The description of each frame."""
    return Image(
        pixels.rows,
        pixels.columns,
        pixels.samples,
        pixels.bits_allocated,
        pixels.bits_stored or pixels.bits_allocated,
        pixels.signed,
        pixels.photometric or "MONOCHROME2",
        pixels.planar,
        pixels.vr in ("OF", "OD"),
    )
