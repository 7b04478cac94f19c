"""Whole objects in another transfer syntax.

Spec: PS3.18 8.7.3.5 (2024d), PS3.5 8.2 and A (2024d), PS3.3 C.7.6.1.1.5 (2024d)
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dicomweb.dicomjson.syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, NATIVE
from dicomweb.pixel.frames import swapped
from dicomweb.pixel.image import Image
from dicomweb.pixel.syntaxes import (
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_RPCL,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LS,
    WRITTEN,
)
from dicomweb.pixel.transcode import interpretation, transcoded

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

WIDTHS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
REVERSIBLE = frozenset({JPEG_2000_LOSSLESS, HTJ2K_LOSSLESS, HTJ2K_RPCL})
METHODS = {
    JPEG_BASELINE: "ISO_10918_1",
    JPEG_LS: "ISO_14495_1",
    JPEG_2000: "ISO_15444_1",
    HTJ2K: "ISO_15444_15",
}
"""Lossy syntaxes and what Lossy Image Compression Method calls them."""


def rewritten(file: bytes, image: Image | None, asked: str) -> bytes:
    """A Part 10 file in the transfer syntax `asked`, as `syntaxes.can_rewrite` allows; `image` describes its frames.

    Raises Unprocessable for pixels that cannot be decoded.
    """
    from pydicom import dcmread, dcmwrite
    from pydicom.uid import UID

    ds = dcmread(io.BytesIO(file))
    stored = str(ds.file_meta.TransferSyntaxUID)
    if stored == EXPLICIT_BIG:
        _turn(ds)
    if image is not None and not (stored in NATIVE and asked in WRITTEN):
        _recode(ds, image, None if stored in NATIVE else stored, asked)
    ds.file_meta.TransferSyntaxUID = UID(asked)
    out = io.BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def _recode(ds: Dataset, image: Image, stored: str | None, asked: str) -> None:
    """Write the pixels of `ds` anew, and what its attributes say of them."""
    from pydicom.encaps import encapsulate, generate_frames

    count = int(ds.get("NumberOfFrames") or 1)
    native = asked in WRITTEN
    frames: Iterable[bytes]
    if stored is None:
        size = len(ds.PixelData) // count if image.photometric == "YBR_FULL_422" else _size(image)
        frames = (ds.PixelData[at * size : (at + 1) * size] for at in range(count))
    else:
        frames = generate_frames(ds.PixelData, number_of_frames=count)
    made = [transcoded(frame, stored, image, EXPLICIT_LITTLE if native else asked) for frame in frames]
    whole = b"".join(made)
    ds.PixelData = whole + b"\0" * (len(whole) % 2) if native else encapsulate(made)
    ds["PixelData"].VR = "OW" if native and image.bits_allocated > 8 else "OB"
    ds["PixelData"].is_undefined_length = not native
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in ds:
            delattr(ds, keyword)
    describe(ds, image, stored, asked)
    if asked in METHODS:
        ds.LossyImageCompression = "01"
        ratio = round(_size(image) * count / max(len(whole), 1), 2)
        ds.LossyImageCompressionRatio = [*_several(ds, "LossyImageCompressionRatio"), ratio]
        ds.LossyImageCompressionMethod = [*_several(ds, "LossyImageCompressionMethod"), METHODS[asked]]


def describe(ds: Dataset, image: Image, stored: str | None, asked: str) -> None:
    """Tell in which colours the pixels are that were `stored` so, or uncompressed, and are written as `asked` now."""
    if image.samples != 3:
        return
    now = interpretation(stored, image)
    if now == "YBR_FULL_422":  # each pixel has got its chrominance
        now = "YBR_FULL"
    if asked == JPEG_BASELINE:
        now = "YBR_FULL_422"
    elif now == "RGB" and asked in REVERSIBLE:
        now = "YBR_RCT"
    elif now == "RGB" and asked in (JPEG_2000, HTJ2K):
        now = "YBR_ICT"
    ds.PhotometricInterpretation = now
    if asked not in WRITTEN:
        ds.PlanarConfiguration = 0


def _size(image: Image) -> int:
    return image.rows * image.columns * image.samples * image.bits_allocated // 8


def _several(ds: Dataset, keyword: str) -> list[Any]:
    found = ds.get(keyword)
    if found is None or found == "":
        return []
    return [found] if isinstance(found, (str, float)) else list(found)


def _turn(ds: Dataset) -> None:
    """Bring binary values from big to little endian; all others are turned by the library."""
    for element in ds.iterall():
        if (width := WIDTHS.get(element.VR)) is not None and element.value:
            element.value = swapped(element.value, width)
