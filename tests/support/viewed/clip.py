"""A video of four seconds: a white square that moves to the right on green ground.

`clip.mp4` beside this is 100 pictures of 160 by 120 in H.264, High Profile, Level 4.1, written by x264 through PyAV.

Spec: PS3.3 A.32.5; PS3.5 8.2.7 (2024d)
"""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import MPEG4HP41, VideoEndoscopicImageStorage

from tests.support.dicom import encapsulated
from tests.support.viewed.objects import begin

SERIES = 6
TITLE = "Moving square"
FRAMES, RATE = 100, 25
COLUMNS, ROWS = 160, 120
GROUND = (0, 128, 0)
LEFT, SQUARE = 10, 40
"""Where the square begins, to go right by a pixel a frame, and its side."""
STREAM = (Path(__file__).parent / "clip.mp4").read_bytes()


def clip() -> bytes:
    """The object as a file."""
    ds: Dataset = begin(VideoEndoscopicImageStorage, "ES", SERIES, 1, TITLE)
    ds.ImageType, ds.AcquisitionContextSequence = ["ORIGINAL", "PRIMARY"], []
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = ROWS, COLUMNS, 3, "YBR_PARTIAL_420"
    ds.PlanarConfiguration, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 0, 8, 8, 7, 0
    ds.CineRate, ds.FrameTime, ds.FrameIncrementPointer = RATE, 1000 / RATE, 0x00181063
    ds.LossyImageCompression, ds.LossyImageCompressionMethod = "01", "ISO_14496_10"
    content = STREAM + b"\0" * (len(STREAM) % 2)
    return encapsulated(ds, [content], syntax=MPEG4HP41, count=FRAMES)
