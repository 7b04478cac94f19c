"""Regions of frames blanked, frame by frame, whatever the transfer syntax.

Native frames keep their form. Compressed ones are decoded and written anew: in the same transfer syntax where that
loses nothing and can be written, else uncompressed, so that what was lost before is lost once only. All pixels beside
the regions keep the values that they had, decoded.

Spec: PS3.15 E.3.1 (2026c), PS3.5 8 and A.4 (2024d), PS3.3 C.7.6.3 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from struct import pack
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from dicomweb.deidentify.copying import UNDEFINED, Element, copied, head
from dicomweb.deidentify.options import Region
from dicomweb.deidentify.regions import within
from dicomweb.deidentify.stream.refusal import refused
from dicomweb.dicomjson.syntax import EXPLICIT_BIG, EXPLICIT_LITTLE, NATIVE
from dicomweb.pixel import codec
from dicomweb.pixel.image import Array, Image
from dicomweb.pixel.rewrite import METHODS, describe
from dicomweb.pixel.syntaxes import COMPRESSED, can_encode
from dicomweb.pixel.transcode import decoded, native_frame

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

NEUTRAL = 128
"""Of the chrominance of eight bits, where there is no colour."""
PIXEL_DATA = 0x7FE00010


@dataclass(frozen=True, slots=True)
class Blanking:
    """The regions to be blanked in frames like `image`, from the transfer syntax `stored` to `written`."""

    regions: Sequence[Region]
    image: Image
    frames: int
    stored: str
    written: str


def plan(ds: Dataset, regions: Sequence[Region], stored: str, element: Element) -> Blanking:
    """How the pixels of `ds` are blanked; its attributes then say what they will be. Raises Unprocessable."""
    image = Image(
        int(ds.Rows),
        int(ds.Columns),
        int(ds.get("SamplesPerPixel") or 1),
        int(ds.get("BitsAllocated") or 0),
        int(ds.get("BitsStored") or ds.get("BitsAllocated") or 0),
        ds.get("PixelRepresentation") == 1,
        str(ds.get("PhotometricInterpretation") or "MONOCHROME2"),
        int(ds.get("PlanarConfiguration") or 0),
    )
    frames = int(ds.get("NumberOfFrames") or 1)
    if element.tag != PIXEL_DATA or (image.bits_allocated < 8 and stored not in NATIVE):
        raise refused("pixels of this kind cannot be blanked")
    if stored in NATIVE:
        if stored == EXPLICIT_BIG and image.bits_allocated == 8 and element.vr == "OW":
            raise refused("single bytes in big endian words cannot be blanked")
        return Blanking(regions, image, frames, stored, stored)
    kind = COMPRESSED.get(stored)
    if kind is None:
        raise refused("frames of this transfer syntax cannot be decoded to be blanked")
    written = stored if kind.lossless and can_encode(stored, image) else EXPLICIT_LITTLE
    describe(ds, image, stored, written)
    if not kind.lossless:
        _lost(ds, stored)
    for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        if keyword in ds:
            delattr(ds, keyword)
    return Blanking(regions, image, frames, stored, written)


def _lost(ds: Dataset, stored: str) -> None:
    """Tell of what was lost before, as the transfer syntax does so no longer. Spec: PS3.3 C.7.6.1.1.5 (2024d)"""
    ds.LossyImageCompression = "01"
    if not ds.get("LossyImageCompressionMethod") and stored in METHODS:
        ds.LossyImageCompressionMethod = METHODS[stored]


def blank(source: BinaryIO, element: Element, how: Blanking, target: BinaryIO) -> None:
    """Write the pixel data element with the value that `source` is at, blanked. Raises Unprocessable."""
    if how.stored in NATIVE:
        _native(source, element, how, target)
        return
    from pydicom.encaps import generate_frames

    frames = (
        blanked(decoded(frame, how.stored, how.image), how)
        for frame in generate_frames(source, number_of_frames=how.frames)
    )
    if how.written == EXPLICIT_LITTLE:
        _uncompressed(frames, how, target)
    else:
        _compressed(frames, how, target)


def blanked(samples: Array, how: Blanking) -> Array:
    """Decoded samples without what is in the regions."""
    made = np.array(samples)
    for region in how.regions:
        made[within(region, how.image.rows, how.image.columns)] = 0
    return made


def _compressed(frames: Iterator[Array], how: Blanking, target: BinaryIO) -> None:
    """Each frame as one fragment, without offsets: they are not known before. Spec: PS3.5 A.4 (2024d)"""
    target.write(pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, UNDEFINED) + pack("<HHL", 0xFFFE, 0xE000, 0))
    for samples in frames:
        frame = codec.encode(samples, how.written, how.image)
        frame += b"\0" * (len(frame) % 2)
        target.write(pack("<HHL", 0xFFFE, 0xE000, len(frame)) + frame)
    target.write(pack("<HHL", 0xFFFE, 0xE0DD, 0))


def _uncompressed(frames: Iterator[Array], how: Blanking, target: BinaryIO) -> None:
    one = how.image
    size = one.rows * one.columns * one.samples * one.bits_allocated // 8 * how.frames
    if size >= UNDEFINED:
        raise refused("the object is too large to be written uncompressed")
    vr = b"OW" if one.bits_allocated > 8 else b"OB"
    target.write(pack("<HH2sHL", 0x7FE0, 0x0010, vr, 0, size + size % 2))
    target.writelines(native_frame(samples, one) for samples in frames)
    target.write(b"\0" * (size % 2))


def _native(source: BinaryIO, element: Element, how: Blanking, target: BinaryIO) -> None:
    """Frames of any byte order: what is written in the regions is the same in each, zeros, but for chrominance."""
    target.write(head(element, how.stored))
    bits = how.image.rows * how.image.columns * how.image.samples * how.image.bits_allocated
    if how.image.bits_allocated == 1:
        whole = source.read(element.length)
        target.write(_single_bits(whole, how))
        return
    subsampled = how.image.photometric == "YBR_FULL_422"
    size = bits // 8 * 2 // 3 if subsampled else bits // 8
    for _ in range(how.frames):
        frame = np.frombuffer(source.read(size), np.uint8).copy()
        if frame.size != size:
            raise refused("the pixel data is shorter than its attributes say")
        (_pairs if subsampled else _whole)(frame, how)
        target.write(frame.tobytes())
    copied(source, element.length - size * how.frames, target)


def _whole(frame: Array, how: Blanking) -> None:
    """Blank a frame in place, its bytes in planes or pixel by pixel."""
    one = how.image
    width = one.bits_allocated // 8
    chroma = one.photometric.startswith("YBR_") and width == 1
    planes = one.samples > 1 and one.planar == 1
    shape = (one.samples, one.rows, one.columns, width) if planes else (one.rows, one.columns, one.samples, width)
    view = frame.reshape(shape)
    for region in how.regions:
        where = within(region, one.rows, one.columns)
        for sample in range(one.samples):
            value = NEUTRAL if chroma and sample else 0
            if planes:
                view[(sample, *where)] = value
            else:
                view[(*where, sample)] = value


def _pairs(frame: Array, how: Blanking) -> None:
    """Blank pairs of pixels that share their chrominance: Y, Y, Cb, Cr. Spec: PS3.3 C.7.6.3.1.2 (2024d)"""
    view = frame.reshape(how.image.rows, how.image.columns // 2, 4)
    for region in how.regions:
        rows, columns = within(region, how.image.rows, how.image.columns)
        pairs = slice(columns.start // 2, (columns.stop + 1) // 2)
        view[rows, pairs] = (0, 0, NEUTRAL, NEUTRAL)


def _single_bits(whole: bytes, how: Blanking) -> bytes:
    """All frames at once: they need not begin at a byte."""
    one = how.image
    bits = np.unpackbits(np.frombuffer(whole, np.uint8), bitorder="little")
    view = bits[: how.frames * one.rows * one.columns].reshape(how.frames, one.rows, one.columns)
    for region in how.regions:
        view[(slice(None), *within(region, one.rows, one.columns))] = 0
    return np.packbits(bits, bitorder="little").tobytes()
