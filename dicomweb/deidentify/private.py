"""Private attributes that are known to identify nobody: because the object says so, or the project.

Spec: PS3.15 E.3.10 (2026c), PS3.3 C.12.1.1.7 (2024d)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dicomweb.deidentify.options import Profile

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

BLOCK = 0x100


def safe_elements(ds: Dataset, profile: Profile) -> frozenset[int]:
    """The tags of the safe private elements of a data set, and of the creators that reserve their blocks."""
    found: set[int] = set()
    for group, creators in _creators(ds).items():
        for block, creator in creators.items():
            said, elements = _said(ds, group, creator)
            elements |= {one.element for one in profile.safe_private if (one.group, one.creator) == (group, creator)}
            base = (group << 16) + block * BLOCK
            safe = {
                int(tag)
                for tag in ds.keys()  # noqa: SIM118 - iterating reads every value
                if base <= tag < base + BLOCK and (said or tag % BLOCK in elements)
            }
            if safe:
                found |= {*safe, (group << 16) + block}
    return frozenset(found)


def _creators(ds: Dataset) -> dict[int, dict[int, str]]:
    """By group and block: who reserved it. Spec: PS3.5 7.8.1 (2024d)"""
    found: dict[int, dict[int, str]] = {}
    for tag in list(ds.keys()):
        if tag.is_private_creator:
            found.setdefault(tag.group, {})[tag.element] = str(ds[tag].value or "").strip()
    return found


def _said(ds: Dataset, group: int, creator: str) -> tuple[bool, set[int]]:
    """What Private Data Element Characteristics says of a block: that all of it is safe, or which elements are."""
    for item in ds.get("PrivateDataElementCharacteristicsSequence") or ():
        if (item.get("PrivateGroupReference"), str(item.get("PrivateCreatorReference") or "").strip()) != (
            group,
            creator,
        ):
            continue
        status = item.get("BlockIdentifyingInformationStatus")
        if status == "SAFE":
            return True, set()
        if status == "MIXED":
            listed = item.get("NonidentifyingPrivateElements")
            return False, {int(listed)} if isinstance(listed, int) else {int(one) for one in listed or ()}
    return False, set()
