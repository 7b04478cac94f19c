"""The Basic Application Level Confidentiality Profile and its options, as a project chooses them.

Spec: PS3.15 E.2 and E.3 (2026c), PS3.16 CID 7050
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from healix_fhir.kernel.errors import invalid, unsupported

BASIC = ("113100", "Basic Application Confidentiality Profile")


class Option(enum.Enum):
    """The options, in the order of the columns of Table E.1-1; those that have none there come last."""

    SAFE_PRIVATE = "retain-safe-private"
    UIDS = "retain-uids"
    DEVICE = "retain-device-identity"
    INSTITUTION = "retain-institution-identity"
    CHARACTERISTICS = "retain-patient-characteristics"
    FULL_DATES = "retain-full-dates"
    MODIFIED_DATES = "retain-modified-dates"
    DESCRIPTORS = "clean-descriptors"
    STRUCTURED = "clean-structured-content"
    GRAPHICS = "clean-graphics"
    PIXELS = "clean-pixel-data"

    @property
    def code(self) -> str:
        """The code value, of the scheme DCM."""
        return CODES[self][0]

    @property
    def meaning(self) -> str:
        """The code meaning."""
        return CODES[self][1]


CODES = {
    Option.PIXELS: ("113101", "Clean Pixel Data Option"),
    Option.GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.STRUCTURED: ("113104", "Clean Structured Content Option"),
    Option.DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
    Option.DEVICE: ("113109", "Retain Device Identity Option"),
    Option.UIDS: ("113110", "Retain UIDs Option"),
    Option.SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.INSTITUTION: ("113112", "Retain Institution Identity Option"),
}
FACES = "clean-recognizable-visual-features"
"""The option that is refused: no rule tells where a face is, and an unfinished removal would be taken for a whole one.
"""


class BurnedIn(enum.Enum):
    """What becomes of an image that may have text in its pixels, and for which there is no rule."""

    REFUSE = "refuse"
    KEEP = "keep"


class Region(msgspec.Struct, frozen=True):
    """A rectangle of pixels to be blanked: `x` and `y` of its first column and row, from 0; -1 reaches to the edge."""

    x: int
    y: int
    width: int
    height: int


class PixelRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The regions to be blanked in images like this; what is empty fits every image. Names are compared without case.

    No regions say that these images have nothing burned in.
    """

    regions: tuple[Region, ...]
    modality: str = ""
    manufacturer: str = ""
    model: str = ""
    rows: int = 0
    columns: int = 0


class SafePrivate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A private attribute that is known to identify nobody: its creator, group, and element within the block."""

    creator: str
    group: int
    element: int


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a project de-identifies: the Basic Profile with `options`."""

    options: frozenset[Option] = frozenset()
    burned_in: BurnedIn = BurnedIn.REFUSE
    regions: tuple[PixelRule, ...] = ()
    safe_private: tuple[SafePrivate, ...] = ()

    @property
    def codes(self) -> list[tuple[str, str]]:
        """Code value and meaning of the profile and its options, in order of code."""
        return [BASIC, *sorted((option.code, option.meaning) for option in self.options)]


def chosen(names: Iterable[str]) -> frozenset[Option]:
    """The options of these names. Raises Invalid, Unsupported for the one that is not offered."""
    known = {option.value: option for option in Option}
    found = set()
    for name in names:
        if name == FACES:
            raise unsupported(f"{FACES} is not offered: faces are not found in images")
        if name not in known:
            raise invalid(f"'{name[:64]}' is no option of de-identification; there are {', '.join(known)}")
        found.add(known[name])
    if {Option.FULL_DATES, Option.MODIFIED_DATES} <= found:
        raise invalid("dates are either retained in full or modified")
    return frozenset(found)
