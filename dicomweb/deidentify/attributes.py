"""The attributes of a data set, with those of its items, as the profile and its options want them.

What the table does not name is kept, with these exceptions, as it may say more than is known of it: attributes that
the standard does not define, and bytes where it has none, are removed; what is no number is replaced where one must be;
names of persons are replaced; dates and times are treated like those of the table; UIDs that the standard does not
define are replaced, so that references stay whole; and a text or code that has a name or an identifier of the object in
it is replaced, also where an option would retain it. Of a colour profile its colours stay.

Spec: PS3.15 E.1.1 and E.3 (2026c)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dicomweb.deidentify import dummies, table
from dicomweb.deidentify.dates import shifted
from dicomweb.deidentify.dummies import dummy
from dicomweb.deidentify.keys import Keys
from dicomweb.deidentify.options import Option, Profile
from dicomweb.deidentify.private import safe_elements
from dicomweb.deidentify.stream import icc
from dicomweb.deidentify.subject import Subject
from dicomweb.deidentify.words import cleaned

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

MOMENTS = frozenset({"DA", "DT", "TM"})
SHIFTED = frozenset({"DA", "DT"})
TIME = re.compile(r"(\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?|\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?")
TEXTS = frozenset({"LO", "LT", "SH", "ST", "UC", "UR", "UT"})
CODES = frozenset({"AE", "AS", "CS"})
NUMBERS = frozenset({"DS", "IS"})
NUMBER = re.compile(r"[\d\s.eE+-]*")
BYTES = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
NAMES_OF_KINDS = ("ClassUID", "TransferSyntaxUID", "CodingSchemeUID", "ContextUID", "MappingResourceUID")
"""How the keywords end of UIDs that say what something is."""
PATIENT_NAME, PATIENT_ID = 0x00100010, 0x00100020
CHARACTERISTICS, SIGNATURE_PARAMETERS = 0x00080300, 0x4FFE0001
ICC_PROFILE = 0x00282000
OVERLAY_DATA, OVERLAY_TYPE, REGION_OF_INTEREST = 0x3000, 0x0040, "R"
UNREADABLE = (ValueError, TypeError, LookupError, NotImplementedError, OverflowError)
"""What the library raises for a value that is not of its representation."""


@dataclass
class Cleaner:
    """Cleans the data sets of one object; `tally` counts what became of attributes, by action and keyword."""

    profile: Profile
    keys: Keys
    subject: Subject
    sop_class: str
    tally: Counter[tuple[str, str]] = field(default_factory=Counter)

    def clean(self, ds: Dataset, *, root: bool = True) -> None:
        """Change `ds` in place."""
        safe = safe_elements(ds, self.profile) if Option.SAFE_PRIVATE in self.profile.options else frozenset()
        planes = self._planes(ds)
        for tag in list(ds.keys()):
            if tag.is_private:
                self._private(ds, tag, kept=tag in safe)
            elif tag.element == 0 or tag in (CHARACTERISTICS, SIGNATURE_PARAMETERS):
                self._drop(ds, tag)
            elif tag.group in planes:
                self._plane(ds, tag, kept=planes[tag.group])
            else:
                self._element(ds, tag, table.action(tag, self.profile.options, self.sop_class if root else None))

    def _planes(self, ds: Dataset) -> dict[int, bool]:
        """The groups of overlays and curves, and whether they are kept: of overlays, with graphics cleaned, those that
        are regions of interest; others may be text.
        """
        groups = {tag.group for tag in ds.keys() if tag.group >> 8 in (0x50, 0x60) and not tag.is_private}  # noqa: SIM118
        graphics = Option.GRAPHICS in self.profile.options
        return {
            group: graphics
            and group >> 8 == 0x60
            and ds.get((group, OVERLAY_TYPE), _NOTHING).value == REGION_OF_INTEREST
            for group in groups
        }

    def _plane(self, ds: Dataset, tag: Any, *, kept: bool) -> None:
        if not kept or (tag.element != OVERLAY_DATA and table.row(tag) is not None):
            self._drop(ds, tag)
        else:
            self._element(ds, tag, "K" if tag.element == OVERLAY_DATA else None)

    def _private(self, ds: Dataset, tag: Any, *, kept: bool) -> None:
        if kept:
            self._element(ds, tag, None, private=True)
        else:
            self._count("removed", "private attributes")
            del ds[tag]

    def _drop(self, ds: Dataset, tag: Any) -> None:
        self._count("removed", _name(tag))
        del ds[tag]

    def _element(self, ds: Dataset, tag: Any, action: str | None, *, private: bool = False) -> None:
        """Do what the table says, or without a row what suits the representation."""
        try:
            if action == "X" or (action is None and not private and not _is_known(tag)):
                self._drop(ds, tag)
                return
            element = ds[tag]
            if element.VR == "SQ":
                self._sequence(ds, element, action)
                return
            if tag == ICC_PROFILE:
                self._profile_of_colours(ds, element)
                return
            doing = _ACTIONS[self._resolved(element, action)]
            doing(self, ds, element)
        except UNREADABLE:
            self._drop(ds, tag)

    def _resolved(self, element: DataElement, action: str | None) -> str:
        if action is not None:
            return action
        options = self.profile.options
        if element.VR == "PN":
            return "D"
        if element.VR in MOMENTS:
            return "K" if Option.FULL_DATES in options else "C" if Option.MODIFIED_DATES in options else "D"
        if element.VR == "UI" and Option.UIDS not in options and not element.keyword.endswith(NAMES_OF_KINDS):
            return "U"
        if element.VR in TEXTS | CODES and any(self.subject.is_named_in(one) for one in _texts(element)):
            return "D"
        if element.VR in NUMBERS and not all(NUMBER.fullmatch(one) for one in _texts(element)):
            return "D"
        return "X" if element.VR in BYTES and not _may_be_bytes(element.tag) else "-"

    def _sequence(self, ds: Dataset, element: DataElement, action: str | None) -> None:
        if action == "Z":
            self._empty(ds, element)
        elif action == "D":
            make = dummies.ITEMS.get(element.keyword)
            item = make() if make else _nothing()
            element.value = [item]
            self._count("replaced", element.keyword)
        else:
            for item in element.value:
                self.clean(item, root=False)
            if action is not None:
                self._count("cleaned", element.keyword)

    def _profile_of_colours(self, ds: Dataset, element: DataElement) -> None:
        """What the table has no row for, and has texts in it. What is no profile says nothing of colours."""
        profile = icc.cleaned(bytes(element.value or b""))
        if profile is None:
            self._drop(ds, element.tag)
        else:
            element.value = profile
            self._count("cleaned", element.keyword)

    def _empty(self, ds: Dataset, element: DataElement) -> None:
        if element.tag in (PATIENT_NAME, PATIENT_ID):  # by which viewers tell patients apart
            self._replace(ds, element)
            return
        element.value = [] if element.VR == "SQ" else None
        self._count("emptied", _name(element.tag))

    def _replace(self, ds: Dataset, element: DataElement) -> None:
        if element.VR == "UI":
            self._map(ds, element)
            return
        element.value = self._stand_in(element)
        self._count("replaced", _name(element.tag))

    def _stand_in(self, element: DataElement) -> Any:
        """The pseudonym for the patient, and for whom another patient is meant theirs; a dummy for all else."""
        if element.tag not in (PATIENT_NAME, PATIENT_ID):
            return dummy(element.VR)
        told = str(element.value or "").strip()
        if element.tag == PATIENT_NAME or told in ("", self.subject.patient):
            return self.subject.pseudonym
        return self.keys.pseudonym(f"{told}\0")

    def _map(self, ds: Dataset, element: DataElement) -> None:
        found = [self.keys.uid(one) for one in _texts(element)]
        element.value = found if len(found) > 1 else found[0] if found else ""
        self._count("UIDs replaced", _name(element.tag))

    def _keep(self, ds: Dataset, element: DataElement) -> None:
        """What an option retains; but where somebody is named in it, it is replaced as what has no row is. A UID stays,
        as others refer to it, and is told of.
        """
        if element.VR in TEXTS | CODES | {"PN"} and any(self.subject.is_named_in(one) for one in _texts(element)):
            element.value = dummy(element.VR)
            self._count("replaced in spite of an option, as somebody is named in it", _name(element.tag))
        elif element.VR == "UI" and any(self.subject.is_numbered_in(one) for one in _texts(element)):
            self._count("kept by an option, with an identifier of somebody in it", _name(element.tag))
        else:
            self._count("kept by an option", _name(element.tag))

    def _remove(self, ds: Dataset, element: DataElement) -> None:
        self._drop(ds, element.tag)

    def _leave(self, ds: Dataset, element: DataElement) -> None:
        """What the profile does not ask to be touched."""

    def _cleanse(self, ds: Dataset, element: DataElement) -> None:
        """A date shifted, a description cleaned; where nothing is left of it, as the Basic Profile says."""
        if element.VR == "TM" and all(TIME.fullmatch(one.strip()) for one in _texts(element)):
            self._keep(ds, element)
            return
        if element.VR in SHIFTED:
            values: list[str | None] = [
                shifted(one, self.subject.days, element.VR) for one in _texts(element) if one.strip()
            ]
        elif element.VR in TEXTS:
            values = [cleaned(one, self.subject.words) for one in _texts(element)]
        else:
            values = [None]
        if all(values) and values:
            element.value = values if len(values) > 1 else values[0]
            self._count("dates shifted" if element.VR in SHIFTED else "cleaned", _name(element.tag))
            return
        basic = table.action(element.tag, frozenset(), None) or "D"
        if basic == "C":  # a sequence, but for this one, which cannot be cleaned
            basic = "X"
        self._element(ds, element.tag, "Z" if not any(_texts(element)) and basic != "X" else basic)

    def _count(self, action: str, name: str) -> None:
        self.tally[action, name] += 1


_ACTIONS: dict[str, Callable[[Cleaner, Any, Any], None]] = {
    "Z": Cleaner._empty,  # noqa: SLF001 - its own methods by the codes of the table
    "D": Cleaner._replace,
    "U": Cleaner._map,  # noqa: SLF001
    "K": Cleaner._keep,  # noqa: SLF001
    "X": Cleaner._remove,  # noqa: SLF001
    "C": Cleaner._cleanse,  # noqa: SLF001
    "-": Cleaner._leave,  # noqa: SLF001
}


class _Nothing:
    value = None


_NOTHING = _Nothing()


def _nothing() -> Dataset:
    from pydicom.dataset import Dataset

    return Dataset()


def _is_known(tag: int) -> bool:
    from pydicom.datadict import dictionary_has_tag, repeater_has_tag

    return dictionary_has_tag(tag) or repeater_has_tag(tag)


def _may_be_bytes(tag: Any) -> bool:
    """Whether the standard has bytes in an attribute; in those of others there may be text. What is private may."""
    from pydicom.datadict import dictionary_VR

    return tag.is_private or any(vr in BYTES for vr in dictionary_VR(tag).split(" or "))


def _name(tag: Any) -> str:
    """The keyword, or what stands for those that have none: an unknown tag may have been chosen to say something."""
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag) or "attributes unknown to the standard"


def _texts(element: DataElement) -> list[str]:
    value = element.value
    if value is None or value == "":
        return []
    return [str(one) for one in value] if element.VM > 1 else [str(value)]
