"""A CT study made by the program: slices through an invented head, with geometry that viewers can reformat."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

ROOT = "2.25.301839441279017"
STUDY_UID = f"{ROOT}.1"
SERIES_UID = f"{ROOT}.1.1"
SIZE, SLICES = 512, 24
SPACING, THICKNESS = 0.48, 6.0


def files(patient_id: str, name: str, birth_date: str, sex: str) -> Iterator[bytes]:
    """The study's DICOM files, one for each slice. `birth_date` is YYYYMMDD, `sex` M or F."""
    for number in range(SLICES):
        dataset = _slice(number)
        dataset.PatientID, dataset.PatientName = patient_id, name
        dataset.PatientBirthDate, dataset.PatientSex = birth_date, sex
        buffer = io.BytesIO()
        dcmwrite(buffer, dataset, enforce_file_format=True)
        yield buffer.getvalue()


def _slice(number: int) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(f"{SERIES_UID}.{number + 1}")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = UID(f"{SERIES_UID}.{number + 1}")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY_UID, SERIES_UID
    dataset.FrameOfReferenceUID = f"{ROOT}.9"
    dataset.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = "20260302"
    dataset.StudyTime = dataset.SeriesTime = "101500"
    dataset.AccessionNumber, dataset.StudyID = "HX-CT-1", "1"
    dataset.ReferringPhysicianName = "Haddad^Leila^^Dr."
    dataset.StudyDescription, dataset.SeriesDescription = "CT head (demo)", "Axial 6 mm"
    dataset.Modality, dataset.Manufacturer, dataset.BodyPartExamined = "CT", "Healix demo", "HEAD"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number + 1
    dataset.PositionReferenceIndicator = ""
    z = (number - SLICES / 2) * THICKNESS
    corner = -SPACING * SIZE / 2
    dataset.ImagePositionPatient = [corner, corner, z]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness, dataset.SliceLocation = [SPACING, SPACING], THICKNESS, z
    dataset.KVP, dataset.AcquisitionNumber = "120", 1
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = SIZE
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "-1024", "1", "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "120"
    dataset.PixelData = _pixels(z).tobytes()
    return dataset


def _pixels(z: float) -> NDArray[np.uint16]:
    """Stored values (HU + 1024) of the slice at `z` mm: skull, brain, ventricles and one dense spot."""
    axis = (np.arange(SIZE) - SIZE / 2) * SPACING
    y, x = np.meshgrid(axis, axis, indexing="ij")

    def inside(a: float, b: float, c: float, at: tuple[float, float, float] = (0, 0, 0)) -> NDArray[np.bool_]:
        """Whether each pixel is in the ellipsoid with semi-axes a, b, c (mm) around `at`."""
        distance: NDArray[np.float64] = ((x - at[0]) / a) ** 2 + ((y - at[1]) / b) ** 2 + ((z - at[2]) / c) ** 2
        return distance <= 1

    noise = np.random.default_rng(int(z * 10) + 100_000).normal(0, 4, (SIZE, SIZE))
    values = np.full((SIZE, SIZE), -1000.0)
    values[inside(82, 102, 86)] = 20  # scalp
    values[inside(78, 98, 82)] = 900  # skull
    values[inside(71, 91, 75)] = 34  # brain
    values[inside(9, 26, 18, (-13, 2, 6))] = 6  # ventricles
    values[inside(9, 26, 18, (13, 2, 6))] = 6
    values[inside(8, 8, 8, (34, -22, 12))] = 68  # a dense spot to be found
    return np.clip(values + noise + 1024, 0, 4095).astype(np.uint16)
