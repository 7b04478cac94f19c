"""Table E.1-1 as data: its rows and how conditional actions are decided."""

from __future__ import annotations

from collections import Counter

import pytest
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, RTPlanStorage

from dicomweb.deidentify.options import Option, chosen
from dicomweb.deidentify.table import action, row, rows
from healix_fhir.kernel.errors import HealixError

pytestmark = pytest.mark.spec("PS3.15 Table E.1-1 (2026c)")

BASIC = {"X": 416, "D": 93, "U": 55, "Z": 42, "X/D": 23, "X/Z": 11, "X/Z/D": 8, "Z/D": 6, "X/Z/U*": 2}
OPTIONS = {
    Option.SAFE_PRIVATE: {"C": 1},
    Option.UIDS: {"K": 60},
    Option.DEVICE: {"K": 46, "C": 11},
    Option.INSTITUTION: {"K": 10},
    Option.CHARACTERISTICS: {"K": 14, "C": 5},
    Option.FULL_DATES: {"K": 169},
    Option.MODIFIED_DATES: {"C": 169},
    Option.DESCRIPTORS: {"C": 134},
    Option.STRUCTURED: {"C": 3},
    Option.GRAPHICS: {"C": 4},
}


def test_every_row_is_there_once() -> None:
    """The table has as many rows of each action as the standard."""
    assert Counter(one.basic for one in rows().values()) == BASIC


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_its_column(option: Option) -> None:
    """Each option says something of as many attributes as in the standard."""
    assert Counter(one.options[option] for one in rows().values() if option in one.options) == OPTIONS[option]


@pytest.mark.parametrize(
    ("tag", "options", "sop_class", "wanted"),
    [
        (0x00100010, (), CTImageStorage, "Z"),  # Patient's Name
        (0x00100020, (), CTImageStorage, "Z"),  # Patient ID is of Type 2 here
        (0x00080050, (), CTImageStorage, "Z"),
        (0x00080018, (), CTImageStorage, "U"),
        (0x00080018, (Option.UIDS,), CTImageStorage, "K"),
        (0x00081155, (), None, "U"),
        (0x00080060, (), CTImageStorage, None),  # Modality is in no row
        (0x00080022, (), CTImageStorage, "X"),  # Acquisition Date, X/Z: Type 3
        (0x00080022, (), None, "Z"),
        (0x00080022, (Option.FULL_DATES,), None, "K"),
        (0x00080022, (Option.MODIFIED_DATES,), None, "C"),
        (0x0008002A, (), EnhancedCTImageStorage, "D"),  # Acquisition DateTime, X/Z/D: Type 1C
        (0x0008002A, (), CTImageStorage, "X"),
        (0x300A0006, (), RTPlanStorage, "D"),  # RT Plan Date, X/D: Type 2
        (0x00180010, (), CTImageStorage, "Z"),  # Contrast/Bolus Agent, Z/D: Type 2
        (0x00180010, (), "1.2.3", "D"),
        (0x00081140, (), CTImageStorage, "C"),  # Referenced Image Sequence, X/Z/U*
        (0x00081140, (Option.UIDS,), CTImageStorage, "K"),
        (0x00080080, (Option.INSTITUTION,), None, "K"),
        (0x00101010, (Option.CHARACTERISTICS,), None, "K"),
        (0x00102110, (Option.CHARACTERISTICS,), None, "C"),
        (0x00081030, (Option.DESCRIPTORS,), None, "C"),
        (0x0040A730, (), None, "D"),
        (0x0040A730, (Option.STRUCTURED,), None, "C"),
        (0x50101234, (), None, "X"),
        (0x60023000, (), None, "X"),
        (0x60023000, (Option.GRAPHICS,), None, "C"),
        (0x60020010, (), None, None),
        (0x00100045, (), None, "X"),  # a row with columns of options since 2025
        (0x00100043, (Option.CHARACTERISTICS,), None, "K"),
        (0x00080022, (), "1.2.840.10008.5.1.4.1.1.77.1.7", "X"),  # of a storage class that is newer than 2020
    ],
)
def test_actions(tag: int, options: tuple[Option, ...], sop_class: str | None, wanted: str | None) -> None:
    """An attribute's action is that of its row, its Type in the IOD and the options."""
    assert action(tag, frozenset(options), sop_class) == wanted


def test_what_is_kept_is_not_cleaned() -> None:
    """Where one option keeps what another one cleans, it is kept."""
    both = [one for one in rows().values() if len(set(one.options.values())) == 2]
    assert both
    assert action(0x00181002, frozenset({Option.DEVICE, Option.UIDS}), None) == "K"
    assert row(0x00181002) is not None


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["clean-recognizable-visual-features"], "faces are not found"),
        (["retain-everything"], "no option"),
        (["retain-full-dates", "retain-modified-dates"], "either"),
    ],
)
def test_options_that_are_refused(names: list[str], reason: str) -> None:
    """An option that is not offered, is unknown or contradicts another one is refused by name."""
    with pytest.raises(HealixError, match=reason):
        chosen(names)
