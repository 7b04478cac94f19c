"""Objects de-identified in memory, and canaries: values in every attribute of which none may be found afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from pydicom import config, dcmread
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicomweb.deidentify.keys import Keys
from dicomweb.deidentify.object import Done, deidentified
from dicomweb.deidentify.options import Option, Profile
from tests.support.dicom import part10

KEYS = Keys(bytes(range(32)))
UIDS = {"SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"}


def made(file: bytes, *options: Option, keys: Keys = KEYS, **profile: Any) -> tuple[Dataset, bytes, Done]:
    """What is made of a file: as a data set, as bytes, and what is said of it."""
    out = io.BytesIO()
    done = deidentified(io.BytesIO(file), out, keys, Profile(frozenset(options), **profile))
    return dcmread(io.BytesIO(out.getvalue())), out.getvalue(), done


def of(ds: Dataset, *options: Option, **profile: Any) -> Dataset:
    """What is made of a data set in explicit little endian."""
    return made(part10(ds), *options, **profile)[0]


def canary(tag: int, vr: str, number: int) -> Any:
    """A value for an attribute that is found nowhere else."""
    match vr:
        case "UI":
            return f"1.9.87654321.{number}"
        case "PN":
            return f"Canary{number}^Bird{number}"
        case "DA":
            return f"197703{number % 28 + 1:02}"
        case "DT":
            return f"197703{number % 28 + 1:02}112233.987{number:03}"
        case "TM":
            return f"112233.987{number:03}"
        case "AS":
            return "077Y"
        case "DS" | "IS":
            return f"98765{number:04}"
        case "SQ":
            item = Dataset()
            item.PatientName, item.PatientComments = f"Canary{number}^Nested", f"CANARYTEXT{number}"
            item.add_new(0x00090010, "LO", "CANARYMAKER")
            item.add_new(0x00091001, "LO", f"CANARYPRIVATE{number}")
            inner = Dataset()
            inner.InstitutionName, inner.StudyInstanceUID = f"CANARYPLACE{number}", f"1.9.87654321.{number}.5"
            item.ReferencedStudySequence = [inner]
            return [item]
        case "OB" | "OW" | "OB or OW" | "OL" | "OF" | "OD" | "OV" | "UN":
            return f"CANARYBYTES{number:05}".encode()
        case "AE" | "CS" | "SH":
            return f"CANARY{number}"
        case "US" | "UL" | "SS" | "SL" | "FD" | "FL":
            return 54321
    return f"CANARYTEXT{number} of a patient"


NEEDLES = (b"canary", b"bird", b"1.9.87654321", b"197703", b".987", b"077Y", b"98765")
"""How canaries are known, in lower case but for an age."""


def with_canaries(ds: Dataset, tags: Iterable[int]) -> Dataset:
    """`ds` with a canary in each of the attributes that the dictionary knows."""
    with config.disable_value_validation():
        for number, tag in enumerate(tags):
            if keyword_for_tag(tag) == "" or Tag(tag).group in (0, 2, 4):
                continue
            if keyword_for_tag(tag) in UIDS:
                ds.add_new(tag, "UI", canary(tag, "UI", number))
                continue
            vr = dictionary_VR(tag)
            ds.add_new(tag, vr.split(" ")[0], canary(tag, vr, number))
    return ds


def survivors(content: bytes) -> list[bytes]:
    """The canaries found in a file, also as text of two bytes a character."""
    low = content.lower()
    return [needle for needle in NEEDLES if needle in low or (needle.isupper() and needle in content)]


def pixels(ds: Dataset) -> np.ndarray[Any, Any]:
    """The samples of all frames."""
    return np.asarray(ds.pixel_array)
