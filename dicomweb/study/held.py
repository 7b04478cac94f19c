"""What a process remembers of stored instances: where their files, frames and values are.

Nothing is shown because it is remembered: whether a caller may see an instance, and whether it is still what it was,
the database says each time (dicomweb/study/reader.py).
"""

from __future__ import annotations

import msgspec

from dicomweb.pixel.layout import Layout
from dicomweb.study.retrieve import Instance

CAPACITY = 32 << 20
"""Bytes that a process remembers, roughly."""
Uids = tuple[str, str, str]
"""Of study, series and instance."""


class Held(msgspec.Struct, frozen=True):
    """An instance as its row tells: the row's key and `version`, and its DICOM JSON as it is stored, compressed."""

    pk: int
    version: str
    instance: Instance
    layout: Layout
    metadata: bytes

    @property
    def weight(self) -> int:
        """About how many bytes it takes; a whole slide has a million offsets."""
        layout = self.layout
        numbers = len(layout.offsets) + len(layout.lengths) + len(layout.firsts)
        return 2048 + len(self.metadata) + 40 * numbers + 400 * len(layout.bulk)
