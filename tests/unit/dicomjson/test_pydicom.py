"""The tag walker against pydicom's own DICOM JSON, on the files that pydicom brings along."""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
import pytest

from healix_fhir.kernel.errors import Category, HealixError
from tests.support.dicomjson import expected, normal
from tests.support.walk import header_of, json_of

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
FILES = {path.name: path for path in sorted(FOLDER.rglob("*.dcm")) if path.read_bytes()[128:132] == b"DICM"}

REFUSED = {
    "MR_truncated.dcm": "its pixel data is cut off",
    "rtplan_truncated.dcm": "it ends within a sequence",
    "SC_rgb_jpeg.dcm": "its data set is in implicit VR although its transfer syntax is explicit",
    "empty_charset_LEI.dcm": "its File Meta Information names no SOP class",
    "nested_priv_SQ.dcm": "its File Meta Information names no SOP class",
    "meta_missing_tsyntax.dcm": "its File Meta Information names no transfer syntax",
}
"""Files that break the standard in what identifies or delimits them; pydicom guesses, we refuse."""

UNREADABLE_BY_PYDICOM = {"badVR.dcm": "a count that is no number makes pydicom fail; ours is a string in JSON"}


@pytest.mark.spec("PS3.18 F.2")
@pytest.mark.parametrize("name", sorted(FILES.keys() - REFUSED.keys() - UNREADABLE_BY_PYDICOM.keys()))
def test_the_same_model_as_pydicom(name: str) -> None:
    """Real files of many encodings give the model that pydicom gives, but for what `normal` evens out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = normal(expected(pydicom.dcmread(FILES[name])))
    assert normal(json_of(FILES[name].read_bytes())) == model


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_broken_files_are_refused(name: str) -> None:
    """A file that is cut off or does not say what it is, is Invalid."""
    with pytest.raises(HealixError) as caught:
        header_of(FILES[name].read_bytes())
    assert caught.value.category is Category.INVALID


def test_a_value_that_breaks_its_representation_is_kept() -> None:
    """What does not parse as a number is there as a string: nothing is lost."""
    assert json_of(FILES["badVR.dcm"].read_bytes())["00280008"] == {"vr": "IS", "Value": ["1A"]}
