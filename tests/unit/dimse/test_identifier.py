"""Identifiers: written so that pydicom reads them, read whatever the peer sends, in every character set."""

from __future__ import annotations

import io
from struct import pack
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from dicomweb.dicomjson.model import Member, Members
from dicomweb.dimse.identifier import LIMIT, Gathering, known, parse, write
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.charsets import TEXTS
from tests.support.dimse import EXPLICIT, IMPLICIT

PATIENT_NAME, COMMENTS, DESCRIPTION = 0x00100010, 0x00104000, 0x00081030


def read(data: bytes, syntax: str) -> Dataset:
    """The data set as pydicom reads it."""
    found = read_dataset(io.BytesIO(data), is_implicit_VR=syntax == IMPLICIT, is_little_endian=True)
    found.decode()
    return found


def written(ds: Dataset, syntax: str) -> bytes:
    """The data set as pydicom writes it."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = syntax == IMPLICIT, True
    write_dataset(buffer, ds)
    return buffer.getvalue()


def asked(terms: str | list[str]) -> tuple[str, ...]:
    """The terms of a Specific Character Set."""
    return (terms,) if isinstance(terms, str) else tuple(terms)


SCRIPTS = [script for script in TEXTS if script != "chinese, extended"]
"""Those that pydicom reads and writes: of ISO 2022 IR 58 it leaves the escape sequences out."""


@pytest.mark.spec("PS3.5 6.1 (2024d)")
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("script", SCRIPTS)
def test_text_is_said_in_the_set_that_was_asked_for(script: str, syntax: str) -> None:
    """Names and text of each script are written in its character set, which the data set names."""
    terms, name, text = TEXTS[script]
    members: Members = {PATIENT_NAME: Member("PN", [name]), COMMENTS: Member("LT", [f"{text}\r\n{text}"])}
    found = read(write(members, syntax, asked(terms)), syntax)
    assert str(found.PatientName) == name
    assert found.PatientComments == f"{text}\r\n{text}"
    assert found.get("SpecificCharacterSet", "") == terms


@pytest.mark.spec("PS3.4 C.4.1.1.3.1 (2024d)")
@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("script", SCRIPTS)
def test_keys_are_read_in_their_character_set(script: str, syntax: str) -> None:
    """What pydicom writes in each character set is read as that text, and the terms are known."""
    terms, name, text = TEXTS[script]
    ds = Dataset()
    ds.SpecificCharacterSet, ds.PatientName, ds.StudyDescription = terms, name, text
    found = parse(written(ds, syntax), syntax)
    assert found.members[PATIENT_NAME].values == [name]
    assert found.members[DESCRIPTION].values == [text]
    assert found.character_set == asked(terms)


@pytest.mark.spec("PS3.5 K.2 (2024d)")
def test_chinese_with_code_extensions() -> None:
    """Each run of ISO 2022 IR 58 begins with its escape sequence, as in the example of the standard."""
    terms, name, _ = TEXTS["chinese, extended"]
    data = write({PATIENT_NAME: Member("PN", [name])}, EXPLICIT, asked(terms))
    assert data.endswith(b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab")
    assert parse(data, EXPLICIT).members[PATIENT_NAME].values == [name]


@pytest.mark.parametrize(
    "terms", [(), ("ISO_IR 6",), ("ISO_IR 100",), ("", "ISO 2022 IR 87"), ("ISO_IR 13",), ("WHAT",)]
)
def test_what_a_set_cannot_say_is_said_in_utf_8(terms: tuple[str, ...]) -> None:
    """Text that the peer's character set has not is in UTF-8, and the data set says so."""
    found = read(write({PATIENT_NAME: Member("PN", ["שרון^דבורה"])}, EXPLICIT, terms), EXPLICIT)
    assert (found.SpecificCharacterSet, str(found.PatientName)) == ("ISO_IR 192", "שרון^דבורה")


def test_default_repertoire_names_no_set() -> None:
    """Without a character set asked for, ASCII is written without naming one."""
    assert write({PATIENT_NAME: Member("PN", ["Doe"])}, EXPLICIT) == b"\x10\0\x10\0PN\x04\0Doe "


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_every_kind_of_value_round_trips(syntax: str) -> None:
    """Numbers, tags, binary values, several values and nested sequences are what they were."""
    ds = Dataset()
    ds.StudyInstanceUID, ds.Rows, ds.InstanceNumber, ds.SliceThickness = "1.2.3", 512, 7, "1.25"
    ds.ModalitiesInStudy, ds.FrameIncrementPointer = ["CT", "MR"], [0x00100010, 0x00100020]
    ds.PatientName, ds.ImagePositionPatient = "Doe^Jane", [1, -2.5, 3]
    ds.EncapsulatedDocument, ds.RecommendedDisplayFrameRateInFloat = b"\1\2\3\4", 2.5
    inner = Dataset()
    inner.CodeValue, inner.PurposeOfReferenceCodeSequence = "C", [Dataset()]
    ds.ProcedureCodeSequence, ds.ReferencedStudySequence = [inner, Dataset()], []
    again = parse(written(ds, syntax), syntax)
    assert read(write(again.members, syntax), syntax) == read(written(ds, syntax), syntax)


def test_our_own_json_is_read_as_any() -> None:
    """What is made for DICOMweb is the same data set here."""
    encoded = (
        b'{"00080005":{"vr":"CS","Value":["ISO_IR 192"]},"00080061":{"vr":"CS","Value":["CT",null]},'
        b'"00100010":{"vr":"PN","Value":[{"Alphabetic":"A","Phonetic":"C"},null]},"00280010":{"vr":"US","Value":[5]},'
        b'"00400275":{"vr":"SQ","Value":[{"00400009":{"vr":"SH","Value":["x"]}}]},"00420011":{"vr":"OB",'
        b'"InlineBinary":"AQI="},"7FE00010":{"vr":"OW","BulkDataURI":"bulkdata/7FE00010"},"00100040":{"vr":"CS"}}'
    )
    assert known(encoded) == {
        0x00080005: Member("CS", ["ISO_IR 192"]),
        0x00080061: Member("CS", ["CT", None]),
        PATIENT_NAME: Member("PN", ["A==C", ""]),
        0x00280010: Member("US", [5]),
        0x00400275: Member("SQ", [{0x00400009: Member("SH", ["x"])}]),
        0x00420011: Member("OB", (), b"\1\2"),
        0x7FE00010: Member("OW", (), None, "bulkdata/7FE00010"),
        0x00100040: Member("CS"),
    }


def nested(depth: int) -> bytes:
    """Sequences in sequences, without lengths."""
    return b"\x08\0\x32\x10SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * depth


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    """An element with a short length."""
    return pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


HOSTILE: dict[str, tuple[bytes, Category]] = {
    "half a header": (b"\x10\0\x10", Category.INVALID),
    "value cut short": (element(PATIENT_NAME, b"PN", b"Doe^Jane")[:-3], Category.INVALID),
    "length beyond the end": (pack("<HH2sH", 0x10, 0x10, b"PN", 0xFFFE), Category.INVALID),
    "no value representation": (element(PATIENT_NAME, b"??", b"Doe "), Category.INVALID),
    "descending tags": (element(0x00100020, b"LO", b"1 ") + element(PATIENT_NAME, b"PN", b"D "), Category.INVALID),
    "a tag twice": (element(PATIENT_NAME, b"PN", b"D ") * 2, Category.INVALID),
    "a thousand sequences in each other": (nested(1000), Category.INVALID),
    "a sequence without end": (nested(3), Category.INVALID),
    "a delimiter": (b"\xfe\xff\x0d\xe0\0\0\0\0", Category.INVALID),
    "numbers of a wrong size": (element(0x00280010, b"US", b"123"), Category.INVALID),
    "a value of 70 kB": (b"\x10\0\0\x40UT\0\0" + pack("<L", 70_000) + b"x" * 70_000, Category.TOO_LARGE),
    "more than a megabyte": (bytes(LIMIT + 2), Category.TOO_LARGE),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_identifiers_are_refused(case: str) -> None:
    """What is no data set, and what is too large for an identifier, is refused with a reason."""
    data, category = HOSTILE[case]
    gathering = Gathering()
    for start in range(0, len(data), 16_000):
        gathering.write(memoryview(data)[start : start + 16_000])
    with pytest.raises(HealixError) as caught:
        gathering.identifier(EXPLICIT)
    assert caught.value.category is category


def test_what_is_too_long_is_not_kept() -> None:
    """However much comes, an identifier costs no more than its limit."""
    gathering = Gathering()
    piece = memoryview(bytes(LIMIT // 2))
    for _ in range(5):
        gathering.write(piece)
    assert len(gathering._data) <= LIMIT


@pytest.mark.parametrize(("vr", "values"), [("LO", [5]), ("US", ["many"]), ("CS", ["ä"])])
def test_values_that_a_representation_cannot_have(vr: str, values: list[Any]) -> None:
    """What cannot be encoded is refused by name, in any character set."""
    with pytest.raises(HealixError, match="00100040"):
        write({0x00100040: Member(vr, values)}, EXPLICIT, ("ISO_IR 192",))


def test_what_has_too_many_elements_is_not_read_to_its_end() -> None:
    """Who sends millions is refused where the limit is passed, before what comes after is looked at."""
    item = pack("<HHL", 0xFFFE, 0xE000, 8) + pack("<HH2sH", 0x0008, 0x0050, b"SH", 0)
    items = item * 1000
    data = pack("<HH2sHL", 0x0040, 0x0340, b"SQ", 0, len(items)) + items
    for content, most, category in ((data, 500, Category.TOO_LARGE), (data + b"???", 500, Category.TOO_LARGE),
                                    (data + b"???", 5000, Category.INVALID)):  # fmt: skip
        gathering = Gathering(elements=most)
        gathering.write(memoryview(content))
        with pytest.raises(HealixError) as raised:
            gathering.identifier(EXPLICIT)
        assert raised.value.category is category
