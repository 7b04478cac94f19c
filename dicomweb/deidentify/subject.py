"""Whose object is de-identified: the pseudonym and the shift of its patient, and the words by which people are known.

Spec: PS3.15 E.1.1 (2026c)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dicomweb.deidentify.keys import Keys
from dicomweb.deidentify.options import Option
from dicomweb.deidentify.table import row
from dicomweb.deidentify.words import words

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

NAMING = frozenset({"LO", "PN", "SH", "UC"})
"""The representations of names and identifiers."""
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
"""Which addresses have in them, beside the elements of their own."""
SHORTEST = 3
"""Characters of a name or identifier by which somebody may be known in other text."""
SHORTEST_NUMBER = 5
"""Digits of an identifier by which somebody may be known in a UID."""


@dataclass(frozen=True)
class Subject:
    """The patient of an object. `names` are the names and identifiers that it has of anybody, but for those that an
    option keeps, folded; `words` are those of which they consist.
    """

    patient: str
    pseudonym: str
    days: int
    names: frozenset[str]
    words: frozenset[str]

    def is_named_in(self, text: str) -> bool:
        """Whether a text has one of the names in it, as a word or several."""
        low = folded(text)
        return any(
            name in low and re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", low) is not None
            for name in self.names
        )

    def is_numbered_in(self, uid: str) -> bool:
        """Whether a UID has one of the identifiers as a component."""
        components = set(uid.split("."))
        return any(len(name) >= SHORTEST_NUMBER and name in components for name in self.names)


def folded(text: str) -> str:
    """Text without case and accents."""
    apart = unicodedata.normalize("NFKD", text.strip().lower())
    return "".join(one for one in apart if not unicodedata.combining(one))


def subject(ds: Dataset, keys: Keys, options: Collection[Option] = ()) -> Subject:
    """The patient of a data set; one without an identifier is a patient of its own for each study. What `options` keep
    names nobody who must not be named.
    """
    patient = _text(ds, "PatientID")
    key = f"{patient}\0{_text(ds, 'IssuerOfPatientID')}" if patient else f"\0{_text(ds, 'StudyInstanceUID')}"
    found = {name.strip().lower() for name in _names(ds, options)} | {_text(ds, keyword) for keyword in UIDS}
    names = {folded(name) for name in found if len(name) >= SHORTEST}
    return Subject(
        patient,
        keys.pseudonym(key),
        keys.days(key),
        frozenset(names),
        frozenset(word for name in found for word in words(name)),
    )


def _text(ds: Dataset, keyword: str) -> str:
    value = ds.get(keyword)
    return "" if value is None else str(value).strip()


def _names(ds: Dataset, options: Collection[Option]) -> Iterator[str]:
    for element in _elements(ds):
        if element.VR == "PN":
            for group in _values(element):
                yield from re.split(r"[\^=\s]+", group)
        elif element.VR in NAMING and _identifies(element.tag, options):
            yield from _values(element)


def _elements(ds: Dataset) -> Iterator[DataElement]:
    """All elements that can be read, with those of items."""
    for tag in list(ds.keys()):
        try:
            element = ds[tag]
        except (ValueError, TypeError, LookupError, NotImplementedError):
            continue  # what cannot be read is removed, and names nobody
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)
        else:
            yield element


def _identifies(tag: int, options: Collection[Option]) -> bool:
    """Whether the table means an attribute that names, and not one that describes, or that an option keeps."""
    found = row(tag)
    if found is None or Option.DESCRIPTORS in found.options or Option.FULL_DATES in found.options:
        return False
    return all(found.options.get(option) != "K" for option in options)


def _values(element: DataElement) -> Collection[str]:
    value = element.value
    if value is None:
        return ()
    return [str(one) for one in value] if element.VM > 1 else (str(value),)
