"""Synthetic CT images as DICOM files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def ct_image(path: Path, *, study: str, series: str, number: int = 1, side: int = 64, frames: int = 1) -> Dataset:
    """Write one image of noise, `side` pixels square (2 bytes each), explicit VR little endian; what was written."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = Dataset()
    image.file_meta = meta
    image.SOPClassUID, image.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.PatientID, image.PatientName, image.PatientBirthDate, image.PatientSex = "P1", "Doe^Jane", "19700101", "F"
    image.StudyDate, image.StudyTime, image.StudyID, image.AccessionNumber = "20260102", "101500", "1", "A1"
    image.ReferringPhysicianName, image.Modality = "", "CT"
    image.SeriesNumber, image.InstanceNumber = 1, number
    image.Rows = image.Columns = side
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    if frames > 1:
        image.NumberOfFrames = frames
    noise = np.random.default_rng(number).integers(0, 4096, (min(frames, 8), side, side), dtype="<u2")
    image.PixelData = (noise.tobytes() * (frames // len(noise) + 1))[: frames * side * side * 2]
    image["PixelData"].VR = "OW"
    image.save_as(path, enforce_file_format=True)
    return image
