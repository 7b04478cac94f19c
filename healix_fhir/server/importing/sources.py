"""What `healix import` was given: files sorted into FHIR and DICOM, read piece by piece."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from healix_fhir.kernel.errors import not_found

PREAMBLE = 128
CHUNK = 1 << 20


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


def find(paths: Sequence[Path]) -> tuple[list[Source], list[Path]]:
    """The importable files below `paths`, in order of their names, and the files that are none.

    Raises NotFound for a path that does not exist.
    """
    found, others = [], []
    for path in paths:
        if not path.exists():
            raise not_found(f"there is no {path}")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                kind = _kind(file)
                if kind is None:
                    others.append(file)
                else:
                    found.append(Source(file, kind, file.stat().st_size))
    return found, others


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
        number = 0
        while line := stream.readline(limit + 1):
            number += 1
            if len(line) > limit:
                _skip_line(stream)
                yield number, None
            elif line.strip():
                yield number, line


def _skip_line(stream: io.BufferedIOBase) -> None:
    """Read to the end of a line, piece by piece."""
    while (piece := stream.readline(CHUNK)) and not piece.endswith(b"\n"):
        pass


def chunks(source: Source, advance: Callable[[int], None]) -> Iterator[bytes]:
    """The bytes of a DICOM file."""
    with source.path.open("rb") as file:
        while piece := file.read(CHUNK):
            advance(len(piece))
            yield piece


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
