"""Synthetic DICOM objects, built in memory with pydicom."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite, write_file_meta_info
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
)

ROOT = "1.2.826.0.1.3680043.10.1714.7"
PREFIX_END = 132


def uid(*parts: int) -> str:
    """A UID below the tests' root."""
    return ".".join([ROOT, *map(str, parts)])


def data_set(study: int = 1, series: int = 1, instance: int = 1, **elements: Any) -> Dataset:
    """A small CT data set without pixels; `elements` are set by keyword, None removes one."""
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = uid(study, series, instance)
    ds.StudyInstanceUID = uid(study)
    ds.SeriesInstanceUID = uid(study, series)
    ds.StudyDate, ds.StudyTime = "20260102", "030405"
    ds.AccessionNumber, ds.StudyID, ds.StudyDescription = f"A{study}", f"S{study}", "Chest"
    ds.Modality, ds.Manufacturer, ds.SeriesDescription = "CT", "Healix", "axial"
    ds.ReferringPhysicianName = "House^Gregory"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "Doe^Jane", "P1", "19700203", "F"
    ds.SeriesNumber, ds.InstanceNumber = series, instance
    for keyword, value in elements.items():
        if value is None:
            if keyword in ds:
                delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def with_pixels(ds: Dataset, *, rows: int = 8, columns: int = 8, frames: int = 1, bits: int = 16) -> Dataset:
    """`ds` with native monochrome pixels that differ from frame to frame."""
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = rows, columns, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits, bits - 1, 0
    if frames > 1:
        ds.NumberOfFrames = frames
        ds.SOPClassUID = MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    count = rows * columns * frames
    if bits == 1:
        ds.PixelData = np.packbits(np.arange(count) % 3 == 0, bitorder="little").tobytes()
    else:
        ds.PixelData = np.arange(count, dtype=f"<u{bits // 8}").tobytes()
    ds.PixelData += b"\0" * (len(ds.PixelData) % 2)
    ds["PixelData"].VR = "OB" if bits <= 8 else "OW"
    return ds


def part10(ds: Dataset, syntax: str = ExplicitVRLittleEndian, *, meta: Mapping[str, Any] | None = None) -> bytes:
    """`ds` as a file in a native transfer syntax, its encoding done by pydicom."""
    file_meta = FileMetaDataset()
    file_meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", CTImageStorage)
    file_meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", uid(9, 9, 9))
    known = UID(syntax).is_private or UID(syntax).is_transfer_syntax
    file_meta.TransferSyntaxUID = UID(syntax if known else JPEG2000Lossless)
    for keyword, value in (meta or {}).items():
        setattr(file_meta, keyword, value)
    ds.file_meta = file_meta
    buffer = io.BytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue() if known else _in_syntax(buffer.getvalue(), file_meta, syntax)


def _in_syntax(file: bytes, file_meta: FileMetaDataset, syntax: str) -> bytes:
    """The file with the name of a compressed transfer syntax that pydicom does not know."""
    file_meta.TransferSyntaxUID = UID(syntax)
    meta = DicomBytesIO()
    write_file_meta_info(meta, file_meta, enforce_standard=True)
    return file[:132] + meta.getvalue() + file[144 + int.from_bytes(file[140:144], "little") :]


def ct(study: int = 1, series: int = 1, instance: int = 1, *, size: int = 512, **elements: Any) -> bytes:
    """A CT image as scanners send it: 16 bits, explicit little endian, `size` x `size`."""
    return part10(with_pixels(data_set(study, series, instance, **elements), rows=size, columns=size))


def implicit(ds: Dataset) -> bytes:
    """The file in implicit VR little endian."""
    return part10(ds, ImplicitVRLittleEndian)


def big_endian(ds: Dataset) -> bytes:
    """The file in explicit VR big endian; native pixels are swapped."""
    if "PixelData" in ds and ds.BitsAllocated == 16:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    ds.file_meta = FileMetaDataset()
    return part10(ds, ExplicitVRBigEndian)


def deflated(ds: Dataset) -> bytes:
    """The file in the deflated transfer syntax."""
    return part10(ds, DeflatedExplicitVRLittleEndian)


def rle(ds: Dataset) -> bytes:
    """The file with its native pixels compressed by RLE."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.compress(RLELossless, generate_instance_uid=False)
    return part10(ds, RLELossless)


def encapsulated(
    ds: Dataset,
    frames: list[bytes],
    *,
    fragments: int = 1,
    table: bool = True,
    extended: bool = False,
    syntax: str = JPEGBaseline8Bit,
    count: int | None = None,
) -> bytes:
    """The file with `frames` as its compressed frames, each in `fragments` fragments; a video has another `count`."""
    if extended:
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    else:
        ds.PixelData = encapsulate(frames, fragments_per_frame=fragments, has_bot=table)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.NumberOfFrames = count or len(frames)
    return part10(ds, syntax)


def nested(depth: int, ds: Dataset | None = None) -> Dataset:
    """`ds` with sequences in sequences, `depth` of them, all of undefined length."""
    inner = Dataset()
    inner.CodeValue = "innermost"
    for _ in range(depth):
        outer = Dataset()
        outer.ConceptNameCodeSequence = Sequence([inner])
        outer["ConceptNameCodeSequence"].is_undefined_length = True
        inner.is_undefined_length_sequence_item = True
        inner = outer
    top = data_set() if ds is None else ds
    top.ConceptNameCodeSequence = inner.ConceptNameCodeSequence
    top["ConceptNameCodeSequence"].is_undefined_length = True
    return top


def bomb(size: int) -> bytes:
    """A deflated file whose data set ends in `size` zero bytes, a thousandth as long."""
    plain = part10(data_set(), DeflatedExplicitVRLittleEndian)
    head = plain[: _data_set(plain)]
    body = zlib.decompress(plain[len(head) :], wbits=-zlib.MAX_WBITS)
    body += b"\xe0\x7f\x10\x00OB\0\0" + size.to_bytes(4, "little")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = deflater.compress(body)
    chunk = bytes(1 << 20)
    for _ in range(size >> 20):
        packed += deflater.compress(chunk)
    return head + packed + deflater.flush()


def _data_set(file: bytes) -> int:
    """Where the data set of a file begins."""
    return PREFIX_END + 12 + int.from_bytes(file[PREFIX_END + 8 : PREFIX_END + 12], "little")


def bare(file: bytes) -> bytes:
    """The data set of a file without preamble and File Meta Information: what DIMSE carries."""
    return file[_data_set(file) :]
