"""Studies in a folder or a ZIP file, with a DICOMDIR: as they are stored, or de-identified for a project.

Spec: PS3.10 7 and 8 (2024d), PS3.15 E.1.1 (2026c)
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol
from zipfile import ZIP_STORED, ZipFile

import zstandard

from dicomweb.archive.blobs import Archive
from dicomweb.deidentify.report import Report
from dicomweb.dicomjson.part10 import META_LIMIT, read_meta
from dicomweb.dicomjson.syntax import syntax
from dicomweb.dicomjson.walker import walk
from dicomweb.research.making import each, named
from dicomweb.research.projects import Project
from dicomweb.study.directory import Filed, directory, file_ids
from dicomweb.study.retrieve import Instance, described_instances
from healix_fhir.kernel.database import Work
from healix_fhir.kernel.errors import Category, HealixError, invalid
from smart_auth.access import AccessContext

DIRECTORY = "DICOMDIR"
PIECE = 1 << 20


class Place(Protocol):
    """Where a file-set is written to."""

    def put(self, name: Sequence[str], pieces: Iterator[bytes]) -> None:
        """Write a file."""

    def close(self) -> None:
        """All is written."""


class Folder:
    """An empty or new folder."""

    def __init__(self, path: Path) -> None:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise invalid(f"{path} is there already, and not an empty folder")
        self._path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise invalid(f"{path} cannot be made") from error

    def put(self, name: Sequence[str], pieces: Iterator[bytes]) -> None:
        """Write a file below the folder."""
        file = self._path.joinpath(*name)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            out.writelines(pieces)

    def close(self) -> None:
        """Nothing is open."""


class Zip:
    """A new ZIP file."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = ZipFile(path, "x", ZIP_STORED)
        except OSError as error:
            raise invalid(f"{path} is there already or cannot be written") from error

    def put(self, name: Sequence[str], pieces: Iterator[bytes]) -> None:
        """Write an entry."""
        with self._file.open("/".join(name), "w", force_zip64=True) as out:
            for piece in pieces:
                out.write(piece)

    def close(self) -> None:
        """Write the end."""
        self._file.close()


def place(path: Path) -> Place:
    """A ZIP file where the name says so, else a folder. Raises Invalid for what is there already."""
    return Zip(path) if path.suffix.lower() == ".zip" else Folder(path)


def stored(
    archive: Archive,
    described: Sequence[tuple[Instance, bytes]],
    target: Place,
    advance: Callable[[int], None],
) -> int:
    """Instances, each with its compressed DICOM JSON, as they are stored; how many."""
    filed = []
    for (one, metadata), file_id in zip(described, file_ids(one for one, _ in described), strict=True):
        target.put(file_id, archive.stream(one.key))
        filed.append((Filed(one, file_id, one.transfer_syntax), metadata))
        advance(one.size)
    return _end(target, filed)


def deidentified(
    archive: Archive,
    project: Project,
    found: Sequence[Instance],
    target: Place,
    *,
    processes: int,
    advance: Callable[[int], None],
) -> Report:
    """Instances de-identified for a project."""
    report = Report(project.profile)
    filed: list[tuple[Filed, bytes]] = []
    for made, file_id in zip(each(archive, project, found, processes), file_ids(found), strict=True):
        if made.done is None:
            report.refuse(project.uid_of(made.instance.study), made.reason)
        else:
            transfer_syntax, metadata = _described(made.path)
            uids = (made.done.study, made.done.series, made.done.instance, made.done.sop_class)
            one = Instance(*uids, transfer_syntax, "", made.path.stat().st_size)
            with made.path.open("rb") as file:
                target.put(file_id, iter(partial(file.read, PIECE), b""))
            filed.append((Filed(one, file_id, transfer_syntax), metadata))
            report.done(made.done)
        advance(made.instance.size)
    _end(target, filed)
    return report


def _described(path: Path) -> tuple[str, bytes]:
    """The transfer syntax of a file, and its DICOM JSON, compressed, as of stored ones."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        found = read_meta(buffer[: META_LIMIT + 16])
        if found is None:
            raise HealixError(Category.FAULT, "a file that was made has no data set")
        meta, start = found
        header = walk(buffer, start, len(buffer), syntax(meta.transfer_syntax), frozenset())
    return meta.transfer_syntax, zstandard.ZstdCompressor(level=1).compress(header.metadata)


def _end(target: Place, filed: Sequence[tuple[Filed, bytes]]) -> int:
    target.put((DIRECTORY,), iter((directory(filed),)))
    target.close()
    return len(filed)


def sources(access: AccessContext, studies: Sequence[str]) -> Work[list[tuple[Instance, bytes]]]:
    """The instances of studies, each with its compressed DICOM JSON, as far as `access` may see. Raises NotFound."""
    found: list[tuple[Instance, bytes]] = []
    for study in dict.fromkeys(studies):
        found += yield from named(study, described_instances(access, study))
    return found
