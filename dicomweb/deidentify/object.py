"""One object de-identified: from its file to a new one, with the pixel data passed through a piece at a time.

The file is written anew from the preamble on: of the File Meta Information only what a file must have is kept. What
comes after the pixel data are signatures and padding, which Table E.1-1 removes.

Spec: PS3.15 E.1.1 (2026c), PS3.10 7.1 (2024d)
"""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from dicomweb.deidentify import copying
from dicomweb.deidentify.attributes import UNREADABLE, Cleaner
from dicomweb.deidentify.keys import Keys
from dicomweb.deidentify.marks import mark
from dicomweb.deidentify.options import BurnedIn, Option, PixelRule, Profile
from dicomweb.deidentify.regions import may_be_written_on, rule
from dicomweb.deidentify.stream.refusal import refused
from dicomweb.deidentify.subject import subject
from dicomweb.dicomjson.part10 import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from dicomweb.dicomjson.syntax import DEFLATED_LITTLE, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, REFERENCED
from healix_fhir.kernel.errors import HealixError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from dicomweb.deidentify.copying import Element

OVERLAY_POSITION = 0x0102


class Done(msgspec.Struct, frozen=True):
    """What was made of an object: its new UIDs, and how often which action was taken on which attribute.

    `regions` of its pixels were blanked.
    """

    study: str
    series: str
    instance: str
    sop_class: str
    tally: dict[tuple[str, str], int]
    regions: int


def deidentified(source: BinaryIO, target: BinaryIO, keys: Keys, profile: Profile) -> Done:
    """De-identify the Part 10 file `source`, which can be sought in, into `target`.

    Raises Unprocessable for an object of which it cannot be known that it identifies nobody afterwards; what has been
    written by then is worthless.
    """
    from pydicom import config

    with config.disable_value_validation():
        try:
            ds, one = _read(source)
            return _written(source, target, ds, one, str(ds.file_meta.TransferSyntaxUID), keys, profile)
        except HealixError:
            raise
        except Exception as error:  # whatever the library says of data sets that it cannot read or write
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk, not of the object
            raise refused("its attributes are broken") from error


def _read(source: BinaryIO) -> tuple[Dataset, Element | None]:
    """The data set before the pixel data, and those."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.uid import UID

    try:
        ds = dcmread(source, stop_before_pixels=True)
        stored = str(ds.file_meta.TransferSyntaxUID)
        if stored == DEFLATED_LITTLE:  # is written without compression, which needs it in memory whole
            source.seek(0)
            return _inflated(dcmread(source)), None
        str(ds.SOPInstanceUID), str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID)
    except (InvalidDicomError, AttributeError, EOFError, OSError, *UNREADABLE) as error:
        raise refused("it is no DICOM file, or has not the UIDs that it must have") from error
    if stored in REFERENCED:
        raise refused("its pixel data are elsewhere")
    if ds.original_encoding != (stored == IMPLICIT_LITTLE, stored != EXPLICIT_BIG):
        raise refused("it is not encoded as its transfer syntax says")
    ds.file_meta.TransferSyntaxUID = UID(stored)
    return ds, copying.element(source, stored)


def _inflated(ds: Dataset) -> Dataset:
    from pydicom.uid import UID

    ds.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    return ds


def _written(
    source: BinaryIO, target: BinaryIO, ds: Dataset, one: Element | None, stored: str, keys: Keys, profile: Profile
) -> Done:
    if one is None and "PixelData" in ds:  # inflated: the element is taken out, to be written as all others are
        source, one = _apart(ds)
    has_pixels = one is not None
    found = _rule(ds, profile) if has_pixels else None
    regions = found.regions if found is not None else ()
    cleaner = Cleaner(profile, keys, subject(ds, keys, profile.options), str(ds.SOPClassUID), Counter())
    cleaner.clean(ds)
    mark(ds, profile, blanked=found is not None)
    how = None
    if regions and one is not None:
        from dicomweb.deidentify.pixels import plan

        how = plan(ds, regions, stored, one)
    _meta(ds, how.written if how is not None else stored)
    _write(target, ds)
    if how is not None and one is not None:
        from dicomweb.deidentify.pixels import blank

        blank(source, one, how, target)
    elif one is not None:
        copying.copy(source, one, stored, target, sound=profile.burned_in is BurnedIn.KEEP)
    return Done(
        str(ds.StudyInstanceUID),
        str(ds.SeriesInstanceUID),
        str(ds.SOPInstanceUID),
        str(ds.SOPClassUID),
        dict(cleaner.tally),
        len(regions),
    )


def _write(target: BinaryIO, ds: Dataset) -> None:
    """The file up to its pixel data, in any transfer syntax: the library's own way stops at those that it has not."""
    from pydicom.filebase import DicomFileLike
    from pydicom.filewriter import write_dataset, write_file_meta_info

    stored = str(ds.file_meta.TransferSyntaxUID)
    file = DicomFileLike(target)
    file.write(bytes(128) + b"DICM")
    write_file_meta_info(file, ds.file_meta, enforce_standard=True)
    file.is_implicit_VR, file.is_little_endian = stored == IMPLICIT_LITTLE, stored != EXPLICIT_BIG
    write_dataset(file, ds)


def _apart(ds: Dataset) -> tuple[BinaryIO, Element]:
    element = ds["PixelData"]
    value = bytes(element.value)
    del ds["PixelData"]
    return io.BytesIO(value), copying.Element(0x7FE00010, element.VR, len(value))


def _rule(ds: Dataset, profile: Profile) -> PixelRule | None:
    """The rule for the pixels of an object. Raises Unprocessable where there must be one."""
    for tag in list(ds.keys()):
        if tag.group >> 8 == 0x60 and tag.element == OVERLAY_POSITION and ds[tag].value:
            raise refused("an overlay lies in bits of its pixels, which are not cleaned")
    found = rule(ds, profile) if Option.PIXELS in profile.options else None
    if found is None and profile.burned_in is BurnedIn.REFUSE and may_be_written_on(ds):
        raise refused("text may be burned into its pixels, and no rule says where")
    return found


def _meta(ds: Dataset, transfer_syntax: str) -> None:
    """New File Meta Information: that of the source may name where it came from."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.SOPClassUID
    meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID.decode())
    meta.ImplementationVersionName = IMPLEMENTATION_NAME.decode()
    ds.file_meta = meta
