"""What a de-identified object says of itself.

Spec: PS3.15 E.1.1 step 6 and E.3 (2026c), PS3.3 C.7.1.1 and C.12.1 (2024d), PS3.16 CID 7050
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomweb.deidentify.options import Option, Profile

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

METHOD = "Healix: PS3.15 Table E.1-1"
SCHEME = "DCM"


def mark(ds: Dataset, profile: Profile, *, blanked: bool) -> None:
    """Put the attributes of de-identification into `ds`, in place of those of an earlier one; `blanked` says that a
    rule took care of its pixels.
    """
    from pydicom.dataset import Dataset

    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = METHOD
    items = []
    for value, meaning in profile.codes:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, SCHEME, meaning
        items.append(item)
    ds.DeidentificationMethodCodeSequence = items
    ds.LongitudinalTemporalInformationModified = _dates(profile)
    if blanked:
        ds.BurnedInAnnotation = "NO"


def _dates(profile: Profile) -> str:
    if Option.FULL_DATES in profile.options:
        return "UNMODIFIED"
    return "MODIFIED" if Option.MODIFIED_DATES in profile.options else "REMOVED"
