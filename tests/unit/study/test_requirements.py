"""What objects lack of what their SOP class requires."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydicom.uid import BasicTextSRStorage, CTImageStorage, EncapsulatedPDFStorage, RawDataStorage

from dicomweb.study.requirements.required import lacking
from tests.support.dicom import data_set, with_pixels

pytestmark = pytest.mark.spec("PS3.4 B.2.3")

CT = {
    "ImageType", "SOPClassUID", "SOPInstanceUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID",
    "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID", "SamplesPerPixel",
    "PhotometricInterpretation", "Rows", "Columns", "PixelSpacing", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "RescaleIntercept", "RescaleSlope",
}  # fmt: skip
"""Type 1 in the mandatory modules of PS3.3 Table A.3-1."""
GEOMETRY: dict[str, Any] = {
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "ImagePositionPatient": [0, 0, 0],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "FrameOfReferenceUID": "1.2.3", "PixelSpacing": [1, 1],
    "RescaleIntercept": 0, "RescaleSlope": 1,
}  # fmt: skip


def test_all_of_it() -> None:
    """Of a CT image each attribute of Type 1 of a mandatory module."""
    assert set(lacking(CTImageStorage, b"{}")) == CT


def test_nothing() -> None:
    """An image that has them all lacks nothing."""
    assert lacking(CTImageStorage, with_pixels(data_set(**GEOMETRY)).to_json().encode()) == []


@pytest.mark.parametrize("keyword", GEOMETRY)
@pytest.mark.parametrize("empty", [True, False])
def test_one_of_them(keyword: str, empty: bool) -> None:
    """One that is missing is named, and so is one without a value."""
    ds = with_pixels(data_set(**GEOMETRY))
    if empty:
        ds[keyword].value = None
    else:
        delattr(ds, keyword)
    assert lacking(CTImageStorage, ds.to_json().encode()) == [keyword]


@pytest.mark.parametrize(
    ("sop_class", "some"),
    [
        (BasicTextSRStorage, {"CompletionFlag", "VerificationFlag", "ContentDate", "ContentTime", "ValueType"}),
        (EncapsulatedPDFStorage, {"EncapsulatedDocument", "MIMETypeOfEncapsulatedDocument", "BurnedInAnnotation"}),
        (RawDataStorage, {"CreatorVersionUID", "SOPInstanceUID"}),
    ],
)
def test_other_classes(sop_class: str, some: set[str]) -> None:
    """Each class has requirements of its own."""
    assert some <= set(lacking(sop_class, b"{}"))


def test_bulk_data_is_a_value() -> None:
    """A value that is elsewhere is there."""
    held = json.dumps({"00420011": {"vr": "OB", "BulkDataURI": "bulkdata/00420011"}}).encode()
    assert "EncapsulatedDocument" not in lacking(EncapsulatedPDFStorage, held)


@pytest.mark.parametrize("sop_class", ["1.2.3.4", "1.2.840.10008.1.1"])
def test_what_is_no_storage_class_requires_nothing(sop_class: str) -> None:
    """Nothing is known of private classes."""
    assert lacking(sop_class, b"{}") == ()
