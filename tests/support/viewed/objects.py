"""What all objects of the viewer's sample study share: its UIDs, its patient, and how one becomes a file."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from tests.support.dicom import part10, uid

STUDY = 190
FRAME_OF_REFERENCE = uid(STUDY, 0)
DESCRIPTION = "Everything a viewer shows"


def begin(sop_class: str, modality: str, series: int, instance: int, description: str) -> Dataset:
    """An object of a series of the study, with what is told of the patient, the study and the series."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, uid(STUDY, series, instance)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(STUDY), uid(STUDY, series)
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = "20260401"
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = "090000"
    ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = "V190", "190", ""
    ds.StudyDescription, ds.SeriesDescription = DESCRIPTION, description
    ds.Modality, ds.Manufacturer = modality, "Healix tests"
    ds.ManufacturerModelName, ds.DeviceSerialNumber, ds.SoftwareVersions = "viewed", "1", "1"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Lindqvist^Jonas", "HX-1002", "19551130", "M"
    ds.SeriesNumber, ds.InstanceNumber = series, instance
    return ds


def file(ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The object as a Part 10 file."""
    return part10(ds, syntax)


def code(value: str, scheme: str, meaning: str) -> Sequence:
    """A code sequence of one item. Spec: PS3.3 8 (2024d)"""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def reference(ds: Dataset, **elements: object) -> Dataset:
    """The SOP Instance Reference of an object."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item
