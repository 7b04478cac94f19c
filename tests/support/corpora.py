"""Real DICOM files of many makers: those that pydicom brings along, those of the package pydicom-data, and generated
ones in every character set.

Each has a SOP Instance UID of its own: several of the files are one image in many encodings under one UID, so the last
digits of it are changed where they stand.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import data_store
import numpy as np
import pydicom
from pydicom import DataElement, Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO

from dicomweb.dicomjson.syntax import DEFLATED_LITTLE, EXPLICIT_BIG
from tests.support.charsets import charset_files

FOLDERS = (Path(pydicom.__file__).parent / "data", Path(data_store.__file__).parent / "data")
NO_IMAGES = {".py", ".pyc", ".json", ".txt", ".md", ".gz", ".dump", ".icc", ".zip"}
PREFIX = slice(128, 132)
PADDING, PIXELS = 0xFFFCFFFC, 0x7FE00010
ITEM = b"\xfe\xff\x00\xe0"
SERIES = re.compile(r"(CR|CT|MR)\w*/\d+")
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@dataclass(frozen=True)
class File:
    """One file. `data_set` is what pydicom reads in it, None for what it does not read.

    `uids` are those of study, series and instance; `is_whole` tells whether it has them and is a DICOM file.
    """

    name: str
    content: bytes
    syntax: str
    data_set: Dataset | None
    uids: tuple[str, str, str]
    is_whole: bool

    @property
    def path(self) -> str:
        """The address of the instance."""
        return "/dicomweb/studies/{}/series/{}/instances/{}".format(*self.uids)


@cache
def corpus() -> dict[str, File]:
    """Every file by name."""
    paths = [path for folder in FOLDERS for path in sorted(folder.rglob("*")) if path.is_file()]
    contents = [("/".join(path.parts[-2:]), path.read_bytes()) for path in paths if path.suffix not in NO_IMAGES]
    contents += charset_files()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of much that is in these files
        return {name: _file(name, content, number) for number, (name, content) in enumerate(contents)}


def _file(name: str, content: bytes, number: int) -> File:
    original = read(content)
    if original is None:
        return File(name, content, "", None, ("", "", ""), is_whole=False)
    syntax = str(original.file_meta.get("TransferSyntaxUID", ""))
    uid = str(original.get("SOPInstanceUID", ""))
    if uid and syntax != DEFLATED_LITTLE:
        content = content.replace(uid.encode(), f"{uid[:-6]}9{number:05}".encode())
    found = read(content)
    assert found is not None
    study, series, instance = (str(found.get(keyword) or "") for keyword in UIDS)
    whole = content[PREFIX] == b"DICM" and "" not in (study, series, instance, found.get("SOPClassUID", ""))
    return File(name, content, syntax, found, (study, series, instance), is_whole=whole)


def read(content: bytes) -> Dataset | None:
    """What pydicom reads in a file; None where it fails, with a mistake of its own where a file is cut off."""
    try:
        return dcmread(DicomBytesIO(content))
    except (InvalidDicomError, EOFError, TypeError):
        return None


def as_sent(data_set: Dataset) -> Dataset:
    """A data set without what a sender may change: group lengths (PS3.5 7.2) and trailing padding (PS3.10 7.2) are left
    out, compressed pixels are OB (PS3.5 A.4).
    """
    found = Dataset()
    for element in data_set:
        if element.tag.element == 0 or element.tag == PADDING:
            continue
        compressed = element.tag == PIXELS and element.value.startswith(ITEM)
        found[element.tag] = DataElement(element.tag, "OB", element.value) if compressed else element
    return found


def bulk(data_set: Dataset) -> Iterator[tuple[str, bytes]]:
    """Each element of the top level that holds bytes, by its tag as DICOM JSON writes it; words as little endian."""
    for element in data_set:
        if isinstance(element.value, bytes):
            big = element.VR == "OW" and data_set.file_meta.TransferSyntaxUID == EXPLICIT_BIG
            width = max(2, data_set.BitsAllocated // 8) if element.tag == PIXELS else 2
            value = np.frombuffer(element.value, f"<u{width}").byteswap().tobytes() if big else element.value
            yield f"{int(element.tag):08X}", value


def sampled(files: Iterable[File]) -> Iterator[File]:
    """The files without four in five of those that come in long series of the like."""
    for number, file in enumerate(files):
        if number % 5 == 0 or not SERIES.fullmatch(file.name):
            yield file
