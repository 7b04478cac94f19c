"""What `healix import` was given: files sorted into FHIR and DICOM, read piece by piece."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from healix_fhir.kernel.errors import not_found

PREAMBLE = 128
CHUNK = 1 << 20
LOOK = 1000
"""Lines between two looks at whether to go on."""
DICOMDIR = "DICOMDIR"
"""The file that names the others of a medium (PS3.10 8.6); what it says of them they say themselves."""
NEITHER = "neither FHIR JSON or NDJSON nor DICOM"
OUTSIDE = "a symbolic link out of the folder"


class Kind(Enum):
    """What a file holds."""

    JSON = "json"  # one resource, usually a Bundle
    NDJSON = "ndjson"  # one resource a line
    DICOM = "dicom"


@dataclass(frozen=True, slots=True)
class Source:
    """One file to import."""

    path: Path
    kind: Kind
    size: int
    modified: int
    """Nanoseconds."""


@dataclass
class Found:
    """The importable files, in order of their names; the files that are none, with the reason; how many were passed
    over: what names other files of a medium, and symbolic links to files that are found by themselves.
    """

    sources: list[Source] = field(default_factory=list)
    refused: list[tuple[Path, str]] = field(default_factory=list)
    skipped: int = 0


def find(paths: Sequence[Path]) -> Found:
    """What there is to import below `paths`; no symbolic link is followed out of them.

    Raises NotFound for a path that does not exist.
    """
    found = Found()
    for path in paths:
        if not path.exists():
            raise not_found(f"there is no {path}")
        if not path.is_dir():
            _sort(path, found)
            continue
        root = path.resolve()
        for directory, folders, names in os.walk(path):
            folders.sort()
            for name in sorted([*names, *(one for one in folders if Path(directory, one).is_symlink())]):
                file = Path(directory, name)
                if not file.is_symlink():
                    _sort(file, found)
                elif file.resolve().is_relative_to(root):
                    found.skipped += 1
                else:
                    found.refused.append((file, OUTSIDE))
    found.sources.sort(key=lambda source: source.path)
    return found


def _sort(file: Path, found: Found) -> None:
    """Put a file where it belongs."""
    if file.name.upper() == DICOMDIR:
        found.skipped += 1
        return
    try:
        kind = _kind(file) if file.is_file() else None
        if kind is None:
            found.refused.append((file, NEITHER))
        else:
            facts = file.stat()
            found.sources.append(Source(file, kind, facts.st_size, facts.st_mtime_ns))
    except OSError as error:
        found.refused.append((file, f"the file cannot be read: {type(error).__name__}"))


def _kind(path: Path) -> Kind | None:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    if suffixes[-1:] == [".ndjson"]:
        return Kind.NDJSON
    if suffixes[-1:] == [".json"]:
        return Kind.JSON
    with path.open("rb") as file:
        head = file.read(PREAMBLE + 4)
    return Kind.DICOM if head[PREAMBLE:] == b"DICM" else None


def lines(source: Source, advance: Callable[[int], None], limit: int) -> Iterator[tuple[int, bytes | None]]:
    """The non-empty lines of an NDJSON file with their numbers from 1; of a JSON file its whole content as line 1.

    None stands for one of more than `limit` bytes, which is never in memory as a whole.
    """
    with source.path.open("rb") as raw:
        counted = _Counted(raw, advance)
        stream: io.BufferedIOBase = io.BufferedReader(counted, CHUNK)
        if source.path.suffix.lower() == ".gz":
            stream = gzip.GzipFile(fileobj=stream)
        if source.kind is Kind.JSON:
            content = stream.read(limit + 1)
            yield 1, content if len(content) <= limit else None
            return
        yield from numbered(stream, limit)


def numbered(
    stream: io.BufferedIOBase, limit: int, check: Callable[[], None] = lambda: None
) -> Iterator[tuple[int, bytes | None]]:
    """The non-empty lines of a stream with their numbers from 1; None stands for one of more than `limit` bytes.

    `check` is called now and then, also where all lines are empty or one has no end; it may raise.
    """
    number = 0
    while line := stream.readline(limit + 1):
        number += 1
        if number % LOOK == 0:
            check()
        if len(line) > limit:
            _skip_line(stream, check)
            yield number, None
        elif line.strip():
            yield number, line


def _skip_line(stream: io.BufferedIOBase, check: Callable[[], None]) -> None:
    """Read to the end of a line, piece by piece."""
    while (piece := stream.readline(CHUNK)) and not piece.endswith(b"\n"):
        check()


class _Counted(io.RawIOBase):
    """Reads through and reports how much."""

    def __init__(self, raw: BinaryIO, advance: Callable[[int], None]) -> None:
        self._raw = raw
        self._advance = advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self._raw.read(len(buffer))
        buffer[: len(piece)] = piece
        self._advance(len(piece))
        return len(piece)
