"""What is to be shown: images, videos, reports, documents and presentation states, as rendered resources and thumbnails
are made of them.

Spec: PS3.18 8.7.2, 10.4.1.1.3, 10.4.1.1.4 (2024d)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import Enum
from functools import cached_property
from typing import Any

import msgspec
import zstandard

from dicomweb.dicomjson.syntax import VIDEO
from dicomweb.pixel.layout import Layout
from dicomweb.study.held import Held
from dicomweb.study.records import OF_CLASS, STORAGE, record_type
from dicomweb.study.retrieve import Instance, Picked, referred_to, some
from healix_fhir.kernel.database import Fragment, Work
from healix_fhir.kernel.errors import not_found
from smart_auth.access import AccessContext

_WIDTH = len(fields(Instance))
LIMIT = 500
"""Instances that one request may render."""
DOCUMENT = "00420011"
PRESENTATIONS, REPORTS = ("PRESENTATION",), ("SR DOCUMENT", "KEY OBJECT DOC")
READ = [STORAGE + name for name, kind in OF_CLASS.items() if kind in (*REPORTS, "ENCAP DOC")]
"""SOP classes of what is read, not looked at."""
IMAGES = Fragment("i.row_count > 0")
ALL_KINDS = Fragment("(i.row_count > 0 OR i.sop_class_uid = ANY(%s))", (READ,))
ANY = Fragment("true")


class Category(Enum):
    """Resource categories, as far as they are rendered differently. Spec: Table 8.7.2-1"""

    IMAGE = "image"
    VIDEO = "video"
    REPORT = "report"
    DOCUMENT = "document"
    PRESENTATION = "presentation state"
    OTHER = "other"


@dataclass(frozen=True)
class Shown:
    """An instance to be shown: where its frames lie, and its DICOM JSON as it is stored, compressed."""

    instance: Instance
    layout: Layout
    metadata: bytes

    @cached_property
    def members(self) -> dict[str, Any]:
        """Its attributes, read when they are needed: a picture that is remembered needs none."""
        found: dict[str, Any] = msgspec.json.decode(zstandard.ZstdDecompressor().decompress(self.metadata))
        return found

    @property
    def frames(self) -> int:
        """How many frames it has; 0 for what is no image."""
        return self.layout.pixels.frames if self.layout.pixels else 0

    @property
    def category(self) -> Category:
        """What it is."""
        if self.instance.transfer_syntax in VIDEO:
            return Category.VIDEO
        if self.layout.pixels is not None:
            return Category.IMAGE
        kind = record_type(self.instance.sop_class, pixels=False)
        if kind in PRESENTATIONS:
            return Category.PRESENTATION
        if kind in REPORTS:
            return Category.REPORT
        return Category.DOCUMENT if DOCUMENT in self.members else Category.OTHER


def candidates(access: AccessContext, study: str, series: str | None = None) -> Work[list[Shown]]:
    """What can be shown of a study or series, the first `LIMIT` of it; not audited, for who decides what is shown.

    Raises Invalid for a malformed UID, NotFound when there is nothing that `access` may see.
    """
    found = yield from some(access, study, series, None, None, picked=Picked(ALL_KINDS, f"place <= {LIMIT}"))
    return _shown(found)


def show(access: AccessContext, chosen: Sequence[Shown]) -> Work[None]:
    """Say of instances of one study that they are shown; audited. Raises NotFound where they are open no more."""
    uids = list(dict.fromkeys(one.instance.instance for one in chosen))
    shown = yield from referred_to(access, chosen[0].instance.study, uids, "retrieve-rendered")
    if len(shown) < len(uids):
        raise not_found("there is no such study, series or instance, or nothing in it that can be shown")


def shown(access: AccessContext, study: str, series: str, instance: str) -> Work[list[Shown]]:
    """A single instance, whatever it is; audited. Raises as `candidates`."""
    found = yield from some(access, study, series, instance, "retrieve-rendered", picked=Picked(ANY, "true"))
    return _shown(found)


def described(access: AccessContext, study: str, series: str, instance: str) -> Work[Shown]:
    """An instance one of whose values is to be served; audited. Raises as `shown`."""
    found = yield from some(access, study, series, instance, "retrieve-bulkdata", picked=Picked(ANY, "true"))
    return _shown(found)[0]


def representative(access: AccessContext, study: str, series: str | None = None) -> Work[Shown]:
    """The image that stands for a study or series: the one in the middle; audited. Raises as `candidates`."""
    middle = "place = (total + 1) / 2"
    found = yield from some(access, study, series, None, "retrieve-thumbnail", picked=Picked(IMAGES, middle))
    return _shown(found)[0]


def referenced(
    access: AccessContext, study: str, instances: Sequence[str], subtype: str | None = "retrieve-rendered"
) -> Work[dict[str, Shown]]:
    """The images of a study that an instance refers to, by SOPInstanceUID, as far as `access` may see them; audited as
    `subtype`, if any.
    """
    found = yield from referred_to(access, study, instances, subtype)
    return {one.instance.instance: one for one in of_rows(found)}


def _shown(found: Sequence[Sequence[Any]]) -> list[Shown]:
    if not found:
        raise not_found("there is no such study, series or instance, or nothing in it that can be shown")
    return of_rows(found)


def of_rows(found: Sequence[Sequence[Any]]) -> list[Shown]:
    """What rows of `some` and `referred_to` say."""
    return [
        Shown(Instance(*row[:_WIDTH]), msgspec.msgpack.decode(row[_WIDTH], type=Layout), bytes(row[_WIDTH + 1]))
        for row in found
    ]


def of_held(held: Held) -> Shown:
    """What is remembered of an instance, to be shown."""
    return Shown(held.instance, held.layout, held.metadata)
