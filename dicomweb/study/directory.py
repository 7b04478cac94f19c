"""The DICOMDIR of a file-set: its patients, studies, series and instances as chains of records, with their files.

Records point at each other by their offsets in the file. The pointers stand first in a record and have a fixed size, so
that all offsets follow from the lengths of what comes after them.
Spec: PS3.3 F (2024d), PS3.10 7 and 8 (2024d)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from struct import pack
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from dicomweb.dicomjson import dictionary
from dicomweb.dicomjson.part10 import PREAMBLE, PREFIX
from dicomweb.dicomjson.syntax import EXPLICIT_LITTLE
from dicomweb.study.records import KEYS, PATIENT, SERIES, STUDY, record_type
from dicomweb.study.retrieve import Instance

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
CHARACTER_SET = "00080005"
IN_USE = 0xFFFF
ITEM = 8
"""Bytes of an item's tag and length."""
POINTERS = 12 + 10 + 12
"""Bytes of the elements that a record begins with: the next record, whether it is in use, the first one below."""


@dataclass(frozen=True, slots=True)
class Filed:
    """An instance as it lies in the file-set: the components of its File ID, and its transfer syntax there."""

    instance: Instance
    file_id: tuple[str, ...]
    syntax: str


@dataclass(slots=True)
class Record:
    """A directory record: its elements after the pointers, encoded; the records below it; where in the file it is."""

    encoded: bytes
    below: list[Record] = field(default_factory=list)
    offset: int = 0


def file_ids(instances: Iterable[Instance]) -> Iterator[tuple[str, ...]]:
    """File IDs for the instances: a directory for each series, names of eight characters. Spec: PS3.10 8.2 (2024d)"""
    numbers: dict[str, int] = {}
    counts: dict[str, int] = {}
    for one in instances:
        number = numbers.setdefault(one.series, len(numbers) + 1)
        counts[one.series] = counts.get(one.series, 0) + 1
        yield "DICOM", f"SE{number:06d}", f"IM{counts[one.series]:06d}"


def directory(filed: Sequence[tuple[Filed, bytes]]) -> bytes:
    """The DICOMDIR of instances, each given with its compressed DICOM JSON."""
    patients = _tree(filed)
    uid = _uid(one.instance.instance for one, _ in filed)
    offset = len(_head(uid, 0, 0, 0))
    records = list(_depth_first(patients))
    for record in records:
        record.offset = offset
        offset += ITEM + POINTERS + len(record.encoded)
    last = patients[-1].offset if patients else 0
    whole = [_head(uid, patients[0].offset if patients else 0, last, offset)]
    following = {id(one): two.offset for chain in _chains(patients) for one, two in pairwise(chain)}
    for record in records:
        below = record.below[0].offset if record.below else 0
        whole.append(pack("<HHL", 0xFFFE, 0xE000, POINTERS + len(record.encoded)))
        whole.append(pack("<HH2sHL", 4, 0x1400, b"UL", 4, following.get(id(record), 0)))
        whole.append(pack("<HH2sHH", 4, 0x1410, b"US", 2, IN_USE))
        whole.append(pack("<HH2sHL", 4, 0x1420, b"UL", 4, below))
        whole.append(record.encoded)
    return b"".join(whole)


def _tree(filed: Iterable[tuple[Filed, bytes]]) -> list[Record]:
    """The records of the patients, with those below them."""
    decompress = zstandard.ZstdDecompressor().decompress
    patients: list[Record] = []
    known: dict[tuple[str, str], Record] = {}
    for one, compressed in filed:
        members: dict[str, Any] = msgspec.json.decode(decompress(compressed))
        patient = str((members.get("00100020", {}).get("Value") or [""])[0])
        chain = patients
        for kind, keys, name in (
            ("PATIENT", PATIENT, patient),
            ("STUDY", STUDY, one.instance.study),
            ("SERIES", SERIES, one.instance.series),
        ):
            if (record := known.get((kind, name))) is None:
                record = known[kind, name] = Record(_encoded(kind, members, keys))
                chain.append(record)
            chain = record.below
        kind = record_type(one.instance.sop_class, pixels="00280010" in members)
        chain.append(Record(_encoded(kind, members, KEYS[kind], one)))
    return patients


def _encoded(kind: str, members: Mapping[str, Any], keys: Sequence[str], one: Filed | None = None) -> bytes:
    """The elements of a record after its pointers: its type, its file where it has one, and its keys."""
    ds = _read({tag: members.get(tag) for tag in (f"{dictionary.tag(key):08X}" for key in keys)})
    ds.DirectoryRecordType = kind
    if one is not None:
        ds.ReferencedFileID = list(one.file_id)
        ds.ReferencedSOPClassUIDInFile = one.instance.sop_class
        ds.ReferencedSOPInstanceUIDInFile = one.instance.instance
        ds.ReferencedTransferSyntaxUIDInFile = one.syntax
    if CHARACTER_SET in members:  # whatever it was, the values are in UTF-8 now
        ds.SpecificCharacterSet = "ISO_IR 192"
    return _written(ds)


def _read(members: Mapping[str, Any]) -> Dataset:
    """The elements of DICOM JSON; those of which nothing can be made, as a number that is none, without a value."""
    from pydicom.dataset import Dataset

    ds = Dataset()
    for tag, member in members.items():
        try:
            ds.update(Dataset.from_json({tag: member or {"vr": _vr(tag)}}, lambda _: b""))
        except (ValueError, TypeError):
            ds.update(Dataset.from_json({tag: {"vr": _vr(tag)}}))
    return ds


def _vr(tag: str) -> str:
    return dictionary.public(int(tag, 16)) or "UN"


def _written(ds: Dataset) -> bytes:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, ds)
    return out.getvalue()


def _uid(instances: Iterable[str]) -> str:
    """The UID of the file-set of these instances, always the same. Spec: PS3.5 B.2"""
    return f"2.25.{int.from_bytes(sha256(' '.join(instances).encode()).digest()[:16], 'big')}"


def _head(uid: str, first: int, last: int, end: int) -> bytes:
    """The file up to its first record, with the offsets of the first and the last one of the root, and of its end."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_file_meta_info
    from pydicom.uid import UID

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(DIRECTORY_CLASS)
    meta.MediaStorageSOPInstanceUID = UID(uid)
    meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
    ds = Dataset()
    ds.FileSetID = ""
    ds.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = first
    ds.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = last
    ds.FileSetConsistencyFlag = 0
    out = DicomBytesIO()
    write_file_meta_info(out, meta)
    before = bytes(PREAMBLE) + PREFIX + out.getvalue() + _written(ds)
    sequence = len(before) + 12
    return before + pack("<HH2sHL", 4, 0x1220, b"SQ", 0, max(end - sequence, 0))


def _depth_first(records: Iterable[Record]) -> Iterator[Record]:
    for record in records:
        yield record
        yield from _depth_first(record.below)


def _chains(records: list[Record]) -> Iterator[list[Record]]:
    """The records that lie beside each other."""
    yield records
    for record in records:
        if record.below:
            yield from _chains(record.below)
