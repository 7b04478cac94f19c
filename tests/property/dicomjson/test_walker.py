"""The tag walker against pydicom on random data sets, and on random damage."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pydicom
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomweb.dicomjson.part10 import read_meta
from healix_fhir.kernel.errors import HealixError
from tests.support.dicom import big_endian, data_set, deflated, encapsulated, implicit, part10, with_pixels
from tests.support.dicomjson import expected, normal
from tests.support.examples import examples
from tests.support.walk import header_of, json_of

LETTERS = st.characters(
    min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="\\^=", exclude_categories=["C", "Z"]
)
WORDS = st.text(LETTERS, min_size=1, max_size=12)
PRINTABLE = st.characters(codec="utf-8", exclude_categories=["Cs"]).filter(lambda char: char >= " ")
UIDS = st.lists(st.integers(0, 10**20), min_size=1, max_size=3).map(lambda parts: "1." + ".".join(map(str, parts)))
ELEMENTS: dict[str, st.SearchStrategy[Any]] = {
    "ImageType": st.lists(st.text("ABC_ 0", min_size=1, max_size=8).map(str.strip).filter(bool), max_size=4),
    "StudyDescription": WORDS,
    "PatientComments": st.text(PRINTABLE, max_size=60).map(str.strip),
    "PatientName": st.lists(WORDS, min_size=1, max_size=3).map("=".join),
    "OtherPatientIDs": st.lists(WORDS, max_size=3),
    "PatientWeight": st.decimals(-1000, 1000, places=2).map(float),
    "ImagePositionPatient": st.lists(st.integers(-9999, 9999).map(lambda n: n / 8), min_size=3, max_size=3),
    "InstanceNumber": st.integers(-(2**31), 2**31 - 1),
    "Rows": st.integers(1, 65535),
    "ReferencedFrameNumber": st.lists(st.integers(0, 9999), max_size=5),
    "FrameIncrementPointer": st.lists(st.integers(0, 2**32 - 1), max_size=3),
    "TagThickness": st.floats(allow_nan=False, allow_infinity=False),
    "FrameReferenceDateTime": st.just("20260102030405.123456+0100"),
    "ReferencedSOPInstanceUID": UIDS.filter(lambda uid: len(uid) <= 64),
    "EncapsulatedDocument": st.binary(max_size=1500).map(lambda b: b + b"\0" * (len(b) % 2)),
}  # fmt: skip


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 0) -> Dataset:
    """A data set of some of `ELEMENTS`, and perhaps a sequence of such."""
    ds = Dataset()
    for keyword in draw(st.sets(st.sampled_from(sorted(ELEMENTS)), max_size=8)):
        setattr(ds, keyword, draw(ELEMENTS[keyword]))
    if depth < 3 and draw(st.booleans()):
        ds.ContentSequence = Sequence(draw(st.lists(data_sets(depth + 1), max_size=3)))
        ds["ContentSequence"].is_undefined_length = draw(st.booleans())
        for item in ds.ContentSequence:
            item.is_undefined_length_sequence_item = draw(st.booleans())
    return ds


@settings(max_examples=examples(75), deadline=None)
@given(ds=data_sets(), encode=st.sampled_from([part10, implicit, big_endian, deflated]))
def test_any_data_set_gives_the_model_that_pydicom_gives(ds: Dataset, encode: Callable[[Dataset], bytes]) -> None:
    """Whatever is in a data set, and however it is encoded, both readers make the same DICOM JSON of it."""
    ds.SpecificCharacterSet = "ISO_IR 192"
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        setattr(ds, keyword, data_set()[keyword].value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = encode(ds)
        model = expected(pydicom.dcmread(BytesIO(file)))
    assert normal(json_of(file)) == normal(model)


WHOLE = [
    part10(with_pixels(data_set())),
    implicit(data_set(ReferencedStudySequence=[data_set(2)])),
    big_endian(with_pixels(data_set())),
    deflated(with_pixels(data_set())),
    encapsulated(with_pixels(data_set(), bits=8), [b"\xff\xd8 1", b"\xff\xd8 2"]),
]


@settings(max_examples=examples(200), deadline=None)
@given(
    file=st.sampled_from(WHOLE),
    damage=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
)
def test_damage_is_refused_or_read_but_never_an_error_of_ours(file: bytes, damage: list[tuple[int, int]]) -> None:
    """Changed bytes make an object Invalid or another object; the model is JSON in any case."""
    broken = bytearray(file)
    found = read_meta(file)
    assert found is not None
    for position, value in damage:
        broken[found[1] + position % (len(file) - found[1])] = value
    try:
        header = header_of(bytes(broken))
    except HealixError:
        return
    assert isinstance(json.loads(header.metadata), dict)
