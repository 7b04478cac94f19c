"""Images as they are to be shown: what rendered instances and thumbnails are made of.

Spec: PS3.18 10.4.1.1.3, 10.4.1.1.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec
import zstandard

from dicomweb.pixel.layout import Layout
from dicomweb.study.retrieve import Instance, described
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import not_found
from smart_auth.access import AccessContext

_WIDTH = len(fields(Instance))
LIMIT = 500
"""Instances that one request may render."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An instance to be shown: where its frames lie, and its attributes as DICOM JSON."""

    instance: Instance
    layout: Layout
    members: dict[str, Any]

    @property
    def frames(self) -> int:
        """How many frames it has; 0 for what is no image."""
        return self.layout.pixels.frames if self.layout.pixels else 0


def shown(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[list[Shown]]:
    """The images of a study, series or a single one, the first `LIMIT` of them; audited.

    Raises Invalid for a malformed UID, NotFound when there are none that `access` may see.
    """
    found = yield from described(access, study, series, instance, "retrieve-rendered", picked=f"n <= {LIMIT}")
    return _shown(found)


def representative(
    access: AccessContext, study: str, series: str | None = None, instance: str | None = None
) -> Work[Shown]:
    """The image that stands for a study or series: the one in the middle; audited. Raises as `shown`."""
    middle = "n = (total + 1) / 2"
    found = yield from described(access, study, series, instance, "retrieve-thumbnail", picked=middle)
    return _shown(found)[0]


def _shown(found: Sequence[Sequence[Any]]) -> list[Shown]:
    if not found:
        raise not_found("there is no such study, series or instance, or nothing in it that can be shown")
    decompress = zstandard.ZstdDecompressor().decompress
    return [
        Shown(
            Instance(*row[:_WIDTH]),
            msgspec.msgpack.decode(row[_WIDTH], type=Layout),
            msgspec.json.decode(decompress(row[_WIDTH + 1])),
        )
        for row in found
    ]
