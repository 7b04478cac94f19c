"""Which regions of an image are to be blanked, and whether an image may have text in its pixels at all.

Spec: PS3.15 E.3.1 (2026c), PS3.3 C.7.6.1.1.1 for Burned In Annotation (2024d)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomweb.deidentify.options import PixelRule, Profile, Region

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

OFTEN_WRITTEN_ON = (
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture
    "1.2.840.10008.5.1.4.1.1.6.1",  # ultrasound
    "1.2.840.10008.5.1.4.1.1.3.1",
    "1.2.840.10008.5.1.4.1.1.77.1.1",  # endoscopy and other cameras, with their videos
    "1.2.840.10008.5.1.4.1.1.77.1.2.1",
    "1.2.840.10008.5.1.4.1.1.77.1.4",
    "1.2.840.10008.5.1.4.1.1.77.1.5.1",
)
"""The SOP classes whose images commonly have text in them, where they do not say that they have none."""


def rule(ds: Dataset, profile: Profile) -> PixelRule | None:
    """The first rule of the project that fits an image."""
    return next((one for one in profile.regions if _fits(ds, one)), None)


def _fits(ds: Dataset, one: PixelRule) -> bool:
    texts = (("Modality", one.modality), ("Manufacturer", one.manufacturer), ("ManufacturerModelName", one.model))
    if any(wanted and str(ds.get(keyword) or "").strip().lower() != wanted.lower() for keyword, wanted in texts):
        return False
    numbers = (("Rows", one.rows), ("Columns", one.columns))
    return all(not wanted or ds.get(keyword) == wanted for keyword, wanted in numbers)


def may_be_written_on(ds: Dataset) -> bool:
    """Whether an image says that text is burned in, or leaves it open where that is common."""
    said = str(ds.get("BurnedInAnnotation") or "").strip().upper()
    if said == "NO":
        return False
    sop_class = str(ds.get("SOPClassUID") or "")
    return said == "YES" or any(sop_class == one or sop_class.startswith(f"{one}.") for one in OFTEN_WRITTEN_ON)


def within(region: Region, rows: int, columns: int) -> tuple[slice, slice]:
    """The rows and columns of a region that an image of that size has."""
    bottom = rows if region.height < 0 else region.y + region.height
    right = columns if region.width < 0 else region.x + region.width
    return slice(max(region.y, 0), min(bottom, rows)), slice(max(region.x, 0), min(right, columns))
