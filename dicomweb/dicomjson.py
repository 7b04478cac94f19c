"""The DICOM JSON model, made straight from the bytes of a data set in one pass.

Spec: PS3.18 F, PS3.5 6, 7 and A (2024d)
"""

from __future__ import annotations

import msgspec


class Header(msgspec.Struct, frozen=True):
    """What one pass over a data set finds.

    `attributes`: DICOM JSON attributes (`{"vr": …, "Value": […]}`) by tag, those of the index only. `metadata`: the
    whole data set as DICOM JSON without bulk data. `bulk`: byte ranges of the bulk data elements by path. `frames`:
    byte ranges of the fragments of each frame.
    """

    attributes: dict[str, dict[str, object]]
    metadata: bytes
    bulk: dict[str, tuple[str, tuple[tuple[int, int], ...]]]
