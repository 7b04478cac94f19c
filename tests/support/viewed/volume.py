"""A CT volume whose parts lie where a test can look for them: a soft block with a dense bar, off its middle.

The bar is in front, more to the right, and in the middle half of the slices, so that a picture that is mirrored, turned
or cut elsewhere shows it elsewhere. The sagittal plane in the middle cuts it, the coronal one does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from tests.support.viewed.objects import FRAME_OF_REFERENCE, begin

SERIES = 1
SIDE, SLICES = 128, 32
SPACING, THICKNESS = 1.5, 3.0
CORNER = (-96.0, -96.0, -48.0)
"""Where the middle of the first pixel of the first slice is, in mm: to the patient's right, in front, at the feet."""
BLOCK = slice(10, 118)
ROWS, COLUMNS = slice(24, 48), slice(32, 72)
BAR_SLICES = range(8, 24)
AIR, SOFT, DENSE = -1000, 40, 400
CENTER, WIDTH = 40, 800


def slices() -> list[Dataset]:
    """The images, feet first."""
    return [_slice(index) for index in range(SLICES)]


def _slice(index: int) -> Dataset:
    ds = begin(CTImageStorage, "CT", SERIES, index + 1, "Volume")
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = FRAME_OF_REFERENCE, ""
    ds.ImagePositionPatient = [CORNER[0], CORNER[1], CORNER[2] + index * THICKNESS]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing, ds.SliceThickness = [SPACING, SPACING], THICKNESS
    ds.KVP, ds.AcquisitionNumber = "120", 1
    ds.Rows = ds.Columns = SIDE
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "HU"
    ds.WindowCenter, ds.WindowWidth = str(CENTER), str(WIDTH)
    ds.PixelData = values(index).tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def values(index: int) -> NDArray[np.int16]:
    """The pixels of a slice, in Hounsfield units."""
    made = np.full((SIDE, SIDE), AIR, "<i2")
    made[BLOCK, BLOCK] = SOFT + np.arange(BLOCK.stop - BLOCK.start)  # a slope, so that no two columns look alike
    if index in BAR_SLICES:
        made[ROWS, COLUMNS] = DENSE
    return made


def point(column: float, row: float, index: float) -> tuple[float, float, float]:
    """Where the middle of a pixel is, in mm."""
    return CORNER[0] + column * SPACING, CORNER[1] + row * SPACING, CORNER[2] + index * THICKNESS


def grey(column: float, row: float, index: float) -> int:
    """The grey that a place of the volume is shown in. Spec: PS3.3 C.11.2.1.2.1 (2024d)"""
    value = float(values(round(index))[round(row), round(column)])
    return round(min(max((value - (CENTER - 0.5)) / (WIDTH - 1) + 0.5, 0), 1) * 255)
