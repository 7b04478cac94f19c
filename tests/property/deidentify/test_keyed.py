"""Keyed values hold for whatever comes: UIDs, shifts, and data sets of any shape."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pydicom._uid_dict import UID_dictionary
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicomweb.deidentify.dates import shifted
from dicomweb.deidentify.keys import LONGEST_SHIFT, Keys
from dicomweb.deidentify.options import Option
from dicomweb.deidentify.table import rows
from tests.support.deidentified import made, survivors, with_canaries
from tests.support.dicom import data_set, part10

TAGS = [int(tag, 16) for tag in rows() if "x" not in tag and tag != "privatetags"]


@pytest.mark.spec("PS3.15 E.3.9 (2026c)")
@example(bytes(32), "1.2.840.10008.")
@example(bytes(32), "1.2.840.10008.1977.3")
@given(st.binary(min_size=32, max_size=32), st.text("0123456789.", min_size=1, max_size=64))
def test_new_uids_are_valid(secret: bytes, uid: str) -> None:
    """Whatever stood there, the UID in its place is a valid one that is the same the next time."""
    made_of_it = Keys(secret).uid(uid)
    assert UID(made_of_it).is_valid
    assert made_of_it.startswith("2.25.") or uid in UID_dictionary
    assert made_of_it == Keys(secret).uid(uid)


@pytest.mark.spec("PS3.15 E.3.6 (2026c)")
@given(st.dates(date(20, 1, 1)), st.dates(date(20, 1, 1)), st.integers(1, LONGEST_SHIFT))
def test_intervals_stay(one: date, two: date, days: int) -> None:
    """Two dates are as far apart after the shift as before."""
    moved = [shifted(f"{day.year:04}{day:%m%d}", days, "DA") for day in (one, two)]
    assert all(moved)
    first, second = (date(int(text[:4]), int(text[4:6]), int(text[6:])) for text in moved if text)
    assert second - first == two - one


@given(st.text(max_size=12), st.integers(1, LONGEST_SHIFT))
def test_what_is_no_date_is_not_kept(text: str, days: int) -> None:
    """A value that does not begin like a date is not taken for one."""
    assume(not text.strip()[:4].isdecimal())
    assert shifted(text, days, "DT") is None


@st.composite
def nested(draw: st.DrawFn) -> Dataset:
    """A data set with canaries in some attributes, at some depth."""
    ds = with_canaries(data_set(), draw(st.lists(st.sampled_from(TAGS), max_size=12, unique=True)))
    for _ in range(draw(st.integers(0, 3))):
        outer = data_set()
        outer.ReferencedSeriesSequence = [
            ds,
            with_canaries(Dataset(), draw(st.lists(st.sampled_from(TAGS), max_size=4))),
        ]
        ds = outer
    return ds


@pytest.mark.spec("PS3.15 Table E.1-1 (2026c)")
@given(nested(), st.sets(st.sampled_from([Option.DESCRIPTORS, Option.STRUCTURED, Option.GRAPHICS]), max_size=3))
def test_no_canary_survives(ds: Dataset, options: set[Option]) -> None:
    """No original value is anywhere in the bytes of the result, whatever is nested in what."""
    assert survivors(made(part10(ds), *options)[1]) == []
