"""Frames as other programs decode them: pydicom with what it brings along and Pillow, else dcmtk."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from dicomweb.dicomjson.syntax import EXPLICIT_BIG
from tests.support.corpora import File
from tests.support.tools import require_tool

LITTLE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
LARGEST = 1 << 20
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
DCMTK = {
    "1.2.840.10008.1.2.4.51": "dcmdjpeg",
    "1.2.840.10008.1.2.4.57": "dcmdjpeg",
    "1.2.840.10008.1.2.4.70": "dcmdjpeg",
    "1.2.840.10008.1.2.4.80": "dcmdjpls",
    "1.2.840.10008.1.2.4.81": "dcmdjpls",
}


def has_frames(file: File) -> bool:
    """Whether a file has pixels, and not so many that all these tests take long."""
    return (
        len(file.content) < LARGEST
        and file.data_set is not None
        and any(keyword in file.data_set for keyword in PIXELS)
    )


def decoded(file: File, folder: Path) -> list[bytes]:
    """Each frame as uncompressed little endian bytes; of colours that JPEG has made YBR of, RGB."""
    found = file.data_set
    assert found is not None
    if file.syntax in DCMTK:
        source, target = folder / "packed.dcm", folder / "plain.dcm"
        source.write_bytes(file.content)
        subprocess.run([require_tool(DCMTK[file.syntax]), source, target], check=True, capture_output=True, timeout=60)
        found = dcmread(target)
    syntax = str(found.file_meta.TransferSyntaxUID)
    if syntax in LITTLE or (syntax == EXPLICIT_BIG and found["PixelData"].VR == "OB"):
        return list(_native(found))
    decoder = get_decoder(UID(syntax))
    frames = decoder.iter_array(found, raw=syntax != JPEG_BASELINE)
    return [np.array(frame).astype(frame.dtype.newbyteorder("<")).tobytes() for frame, _ in frames]


def _native(found: Dataset) -> Iterator[bytes]:
    """The frames of uncompressed pixels that begin at a byte."""
    value = next(found[keyword].value for keyword in PIXELS if keyword in found)
    bits = found.Rows * found.Columns * found.SamplesPerPixel * found.BitsAllocated
    if found.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    if bits % 8 == 0:
        for at in range(int(found.get("NumberOfFrames") or 1)):
            yield value[at * bits // 8 : (at + 1) * bits // 8]


def differ(content: bytes, wanted: bytes, file: File) -> int:
    """The largest difference of two frames' values; of frames of different size, more than any value."""
    assert file.data_set is not None
    if len(content) not in (len(wanted), len(wanted) + 1):
        return 1 << 32
    kind = {8: "u1", 16: "<u2", 32: "<u4", 1: "u1", 64: "<u8"}[int(file.data_set.BitsAllocated)]
    one, other = (np.frombuffer(frame[: len(wanted)], kind).astype(np.int64) for frame in (content, wanted))
    return int(np.abs(one - other).max(initial=0))
