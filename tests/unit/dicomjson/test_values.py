"""Values in DICOM JSON, one by one."""

from __future__ import annotations

import json
from struct import pack
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicomweb.dicomjson import charset
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE, syntax
from dicomweb.dicomjson.walker import walk
from tests.support.dicom import big_endian, data_set, implicit, part10
from tests.support.walk import header_of, json_of

TAG = {"DS": 0x00280030, "IS": 0x00280008, "CS": 0x00080008, "LO": 0x00081030, "LT": 0x00104000, "UI": 0x0008001A}


@pytest.mark.spec("PS3.18 F.2.3")
@pytest.mark.parametrize(
    ("vr", "raw", "value"),
    [
        ("DS", "1.50", [1.5]),
        ("DS", "+1.5\\-.5\\1e2\\00012", [1.5, -0.5, 100.0, 12.0]),
        ("DS", "a lot", ["a lot"]),
        ("DS", "1e400\\1", ["1e400", 1]),
        ("DS", "1\\\\3", [1, None, 3]),
        ("IS", "007\\-3\\+4", [7, -3, 4]),
        ("IS", "1.5", ["1.5"]),
        ("CS", "A\\B", ["A", "B"]),
        ("CS", "A\\\\B", ["A", None, "B"]),
        ("LO", 'quote " and \t tab', ['quote " and \t tab']),
        ("LT", "a\\b is one", ["a\\b is one"]),
        ("UI", "1.2.3", ["1.2.3"]),
    ],
)
def test_strings_and_numbers(vr: str, raw: str, value: list[Any]) -> None:
    """Numbers are numbers where they parse, an empty one among several is null, text keeps its characters."""
    body = raw.encode() + b" " * (len(raw) % 2)
    tag = TAG[vr]
    data = pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(body)) + body
    found = json.loads(walk(data, 0, len(data), syntax(EXPLICIT_LITTLE), frozenset()).metadata)
    assert found[f"{tag:08X}"] == {"vr": vr, "Value": value}


NAMES = {
    "ISO_IR 100": "Buc^Jérôme",
    "ISO_IR 101": "Wałęsa^Zażółć",
    "ISO_IR 144": "Люксембург",
    "ISO_IR 126": "Διονυσιος",
    "ISO_IR 138": "שרון^דבורה",
    "ISO_IR 166": "สมชาย",
    "ISO_IR 192": "Wang^XiaoDong=王^小东=",
    "GB18030": "Wang^XiaoDong=王^小东",
    "GBK": "Wang^XiaoDong=王^小东",
    "\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "ISO 2022 IR 13\\ISO 2022 IR 87": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    "\\ISO 2022 IR 149": "Hong^Gildong=洪^吉洞=홍^길동",
    "ISO 2022 IR 100\\ISO 2022 IR 144": "Buc^Jérôme=Люксембург",
}


@pytest.mark.spec("PS3.3 C.12.1.1.2")
@pytest.mark.parametrize("terms", NAMES)
def test_names_in_the_worlds_scripts(terms: str) -> None:
    """A person name in each character set, with and without code extensions, comes out as it was."""
    found = json_of(part10(data_set(SpecificCharacterSet=terms.split("\\"), PatientName=NAMES[terms])))
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), NAMES[terms].split("="), strict=False)
    assert found["00100010"]["Value"] == [{key: group for key, group in groups if group}]
    assert found["00080005"]["Value"] == ["ISO_IR 192"]


def test_chinese_with_code_extensions() -> None:
    """The example of PS3.5 K.2, in which each component begins with its escape sequence."""
    raw = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    assert charset.decode(raw, charset.codec(("", "ISO 2022 IR 58"))) == "Zhang^XiaoDong=张^小东="


def test_an_unknown_character_set_loses_nothing() -> None:
    """Text in a set that has no name here is read byte for byte."""
    assert charset.decode(b"caf\xe9", charset.codec(("ISO_IR 999",))) == "café"


def test_a_delimiter_ends_a_code_extension() -> None:
    """After `^` the initial set is in force again (PS3.5 6.1.2.5.3)."""
    assert charset.decode(b"\x1b-F\xe1\xe2^\xe9", "latin_1") == "αβ^é"


@pytest.mark.parametrize("encode", [part10, implicit, big_endian])
def test_encodings_give_the_same_model(encode: Any) -> None:
    """Explicit, implicit and big endian files of one data set have one model, nested and private elements included."""
    item = Dataset()
    item.CodeValue, item.CodeMeaning = "1", "one"
    ds = data_set(ConceptNameCodeSequence=Sequence([item, Dataset()]), ImagePositionPatient=[1.5, -2, 0])
    ds.Rows, ds.PixelRepresentation, ds.SmallestImagePixelValue = 5, 1, -3
    ds["SmallestImagePixelValue"].VR = "SS"
    ds.add_new(0x00091001, "FD", [1.5, float("inf")])
    found = json_of(encode(ds))
    assert found["0040A043"]["Value"] == [
        {"00080100": {"vr": "SH", "Value": ["1"]}, "00080104": {"vr": "LO", "Value": ["one"]}},
        {},
    ]
    assert found["00200032"]["Value"] == [1.5, -2, 0]
    assert found["00280106"] == {"vr": "SS", "Value": [-3]}
    if encode is not implicit:
        assert found["00091001"] == {"vr": "FD", "Value": [1.5, "inf"]}


def test_large_values_are_bulk_data_with_their_ranges() -> None:
    """A binary value above the limit is a relative URI, and its range is that of its bytes."""
    ds = data_set()
    ds.add_new(0x00091001, "OB", bytes(range(256)) * 5)
    ds.add_new(0x00091002, "OB", b"small!")
    file = part10(ds)
    header = header_of(file)
    vr, start, length = header.bulk["00091001"]
    assert (vr, file[start : start + length]) == ("OB", bytes(range(256)) * 5)
    model = json_of(file)
    assert model["00091001"] == {"vr": "OB", "BulkDataURI": "bulkdata/00091001"}
    assert model["00091002"] == {"vr": "OB", "InlineBinary": "c21hbGwh"}


def test_wanted_attributes_are_collected_from_the_top_level_only() -> None:
    """The same tag inside a sequence is not the object's own."""
    item = Dataset()
    item.StudyInstanceUID = "9.9"
    header = header_of(part10(data_set(ReferencedStudySequence=[item])), frozenset({0x0020000D, 0x00081110}))
    assert b"9.9" not in header.attributes[0x0020000D]
    assert header.attributes[0x00081110].startswith(b'{"vr":"SQ","Value":[{')
