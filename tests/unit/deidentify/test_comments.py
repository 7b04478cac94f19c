"""Comments in compressed frames say nothing afterwards, and the frames are the same pictures."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames

from healix_fhir.kernel.errors import Category, HealixError
from tests.support.deidentified import made
from tests.support.dicom import data_set, part10

pytestmark = pytest.mark.spec("PS3.15 E.1.1 (2026c)")
SAMPLES = np.arange(256, dtype=np.uint8).reshape(16, 16)
BASELINE, JPEG_LS, JPEG_2000 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"
ENCODED = {
    BASELINE: bytes(imagecodecs.jpeg8_encode(SAMPLES)),
    JPEG_LS: bytes(imagecodecs.jpegls_encode(SAMPLES)),
    JPEG_2000: bytes(imagecodecs.jpeg2k_encode(SAMPLES, level=0, reversible=True, codecformat="j2k")),
}
NAME = b"Doe^Jane"


def image(syntax: str, frame: bytes) -> bytes:
    """A file with this frame."""
    ds = data_set()
    _describe(ds)
    ds.PixelData = encapsulate([frame])
    ds["PixelData"].VR = "OB"
    return part10(ds, syntax)


def _describe(ds: Dataset) -> None:
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.SamplesPerPixel, ds.PixelRepresentation, ds.PhotometricInterpretation = 7, 1, 0, "MONOCHROME2"


def frame_of(ds: Dataset) -> bytes:
    """The one frame."""
    (frame,) = generate_frames(ds.PixelData, number_of_frames=1)
    return bytes(frame)


def with_segment(syntax: str, marker: int, content: bytes) -> bytes:
    """A frame with one more segment, where such ones usually stand."""
    frame = ENCODED[syntax]
    at = 4 + int.from_bytes(frame[4:6], "big") if syntax == JPEG_2000 else 2  # behind the size, which comes first
    segment = b"\xff" + bytes([marker]) + (len(content) + 2).to_bytes(2, "big") + content
    return frame[:at] + segment + frame[at:]


@pytest.mark.parametrize(
    ("syntax", "marker", "content"),
    [
        (BASELINE, 0xFE, NAME),
        (BASELINE, 0xE1, b"Exif\0\0" + NAME),
        (BASELINE, 0xED, b"Photoshop 3.0\0" + NAME),
        (JPEG_LS, 0xFE, NAME),
        (JPEG_2000, 0x64, b"\0\1" + NAME),
    ],
)
def test_comments_are_emptied(syntax: str, marker: int, content: bytes) -> None:
    """The name is nowhere, every length is as it was, and the picture too."""
    frame = with_segment(syntax, marker, content)
    ds, written, _ = made(image(syntax, frame))
    assert NAME not in written
    after = frame_of(ds)
    assert len(after) == len(frame) + len(frame) % 2
    assert np.array_equal(imagecodecs.imread(after), imagecodecs.imread(ENCODED[syntax]))


@pytest.mark.parametrize("syntax", ENCODED)
def test_a_frame_without_comments_is_the_same_picture(syntax: str) -> None:
    """Nothing is lost."""
    after = frame_of(made(image(syntax, ENCODED[syntax]))[0])
    assert np.array_equal(imagecodecs.imread(after), imagecodecs.imread(ENCODED[syntax]))


def test_a_header_that_does_not_end_is_refused() -> None:
    """What cannot be looked through may say anything."""
    with pytest.raises(HealixError) as refused:
        made(image(BASELINE, b"\xff\xd8\xff\xfe\xff\xff" + NAME))
    assert refused.value.category is Category.UNPROCESSABLE
