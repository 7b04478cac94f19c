"""Documents of the Native DICOM Model that come in."""

from __future__ import annotations

import msgspec
import pytest

from dicomweb.dicomjson.reading import checked, read_native
from dicomweb.dicomjson.xml import native_model
from healix_fhir.kernel.errors import Category, HealixError
from tests.support.workitems import members, performed, workitem

HEAD = "<NativeDicomModel>"


def document(content: str) -> bytes:
    """A document with this content."""
    return f'<?xml version="1.0"?>{HEAD}{content}</NativeDicomModel>'.encode()


@pytest.mark.spec("PS3.19 A.1")
@pytest.mark.parametrize(
    "given",
    [
        workitem(),
        performed(),
        members(PatientName=[{"Alphabetic": "A^B^C^D^E", "Ideographic": "山", "Phonetic": "やま"}]),
        members(ImageType=["A", None, "C"], PatientComments=" two\nlines < & > \\"),
        members(PatientWeight=["70.50"], InstanceNumber=[7]),
        {"00091010": {"vr": "SH", "Value": ["x"]}, "00090010": {"vr": "LO", "Value": ["ACME"]}},
        {"00420011": {"vr": "OB", "InlineBinary": "AAE="}},
    ],
)
def test_a_document_reads_back_what_was_written(given: dict[str, object]) -> None:
    """Writing and reading are each other's inverse."""
    dataset = checked(given)
    assert read_native(native_model(msgspec.json.encode(dataset))) == dataset


def test_a_prefix_and_white_space_do_not_matter() -> None:
    """Elements are known by their local names."""
    text = (
        '<n:NativeDicomModel xmlns:n="http://dicom.nema.org/PS3.19/models/NativeDICOM">\n '
        '<n:DicomAttribute tag="00100020" vr="LO">\n  <n:Value number="1">x</n:Value>\n </n:DicomAttribute>\n'
        "</n:NativeDicomModel>"
    )
    assert read_native(text.encode()) == {"00100020": {"vr": "LO", "Value": ["x"]}}


ATTRIBUTE = '<DicomAttribute tag="00100020" vr="LO">{}</DicomAttribute>'


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "malformed XML"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><NativeDicomModel/>', "document type"),
        (document(ATTRIBUTE.format("") * 2), "there twice"),
        (document(ATTRIBUTE.format('<BulkData uri="file:///etc/passwd"/>')), "BulkDataURI"),
        (document(ATTRIBUTE.format('<Value number="1">' + "x" * 65 + "</Value>")), "is no LO"),
        (document('<DicomAttribute tag="00100020" vr="SH"/>'), "of VR LO, not SH"),
        (document('<DicomAttribute tag="0040A370" vr="SQ"><Item number="1">' * 40), "malformed XML|nested"),
        (HEAD.encode() + b"\xff", "malformed XML"),
    ],
)
def test_what_is_no_such_document_is_refused(body: bytes, message: str) -> None:
    """With a reason, and without looking anything up; what it holds is checked as JSON is."""
    with pytest.raises(HealixError, match=message) as refused:
        read_native(body)
    assert refused.value.category is Category.INVALID
