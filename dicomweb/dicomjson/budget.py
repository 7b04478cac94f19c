"""What one pass over a data set may cost, whatever the data set says: its bytes, elements, text and bulk data.

The hot loop only compares its position with `checkpoint`; the counts are brought up to date there, before each rare
element and after each item.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from healix_fhir.kernel.errors import too_large

INLINE_TOTAL = 48 << 20
"""Bytes of a data set outside bulk data."""
MEMBER_LIMIT = 1_000_000
"""Elements and items: ten thousand frames of a hundred each."""
TEXT_LIMIT = 96 << 20
"""Bytes of DICOM JSON, which may be six times those of the data set."""
BULK_LIMIT = 100_000
"""Elements of bulk data."""
STEP = 1 << 20


class Budget:
    """The state of the counts; `checkpoint` is the position at which they are looked at next."""

    __slots__ = ("_bulk", "_inline_end", "_members", "_most", "checkpoint", "text")

    def __init__(self, start: int, most: int = MEMBER_LIMIT) -> None:
        self._inline_end = start + INLINE_TOTAL
        self._most = most
        self._members = 0
        self._bulk = 0
        self.text = 0
        self.checkpoint = min(start + STEP, self._inline_end)

    def passed(self, position: int) -> None:
        """The loop is at or behind the checkpoint. Raises TooLarge when that is too far."""
        if position > self._inline_end:
            raise too_large(f"the data set holds more than {INLINE_TOTAL >> 20} MB outside bulk data")
        self.checkpoint = min(position + STEP, self._inline_end)

    def count(self, out: Sequence[bytes], counted: int) -> int:
        """Count the members of `out` after the first `counted`; returns how many it has. Raises TooLarge."""
        self.text += sum(map(len, islice(out, counted, None)))
        if self.text > TEXT_LIMIT:
            raise too_large(f"the data set makes more than {TEXT_LIMIT >> 20} MB of metadata")
        self.add(len(out) - counted)
        return len(out)

    def add(self, members: int) -> None:
        """Count elements or items. Raises TooLarge."""
        self._members += members
        if self._members > self._most:
            raise too_large(f"the data set has more than {self._most} elements")

    def skip(self, length: int) -> None:
        """An element of bulk data is passed over: its bytes cost nothing. Raises TooLarge."""
        self._bulk += 1
        if self._bulk > BULK_LIMIT:
            raise too_large(f"the data set has more than {BULK_LIMIT} elements of bulk data")
        self._inline_end += length
        self.checkpoint += length
