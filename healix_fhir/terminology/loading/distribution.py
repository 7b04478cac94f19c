"""The files of a code system as its publisher hands them out: a folder, a zip file, or one file.

Files are read line by line, so that what is wrong can be told with file and line; their content is part of a digest, by
which the same distribution is known again.
"""

from __future__ import annotations

import csv
import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from healix_fhir.kernel.errors import HealixError, invalid, not_found

LONGEST = 10 << 20
"""Bytes of one line."""


class Distribution:
    """The files below `path`; `advance` is told how many bytes were read."""

    def __init__(self, path: Path, advance: Callable[[int], None] = lambda _size: None) -> None:
        if not path.exists():
            raise not_found(f"there is no file or folder {path}")
        self.path = path
        self._advance = advance
        self._digest = hashlib.sha256()
        self._zip = _opened(path) if path.is_file() and zipfile.is_zipfile(path) else None
        self._sizes = self._listed()

    @property
    def stamp(self) -> str:
        """The digest of what was read."""
        return self._digest.hexdigest()

    def find(self, pattern: str) -> list[str]:
        """The names of the files whose path matches, in order."""
        return sorted(name for name in self._sizes if re.search(pattern, name, re.IGNORECASE))

    def one(self, pattern: str, what: str) -> str:
        """The name of the one file that matches. Raises Invalid where there is none, or several."""
        found = self.find(pattern)
        if len(found) != 1:
            problem = "has no" if not found else f"has {len(found)} files for"
            raise invalid(f"{self.path} {problem} {what}" + (f": {', '.join(found[:4])}" if found else ""))
        return found[0]

    def size(self, patterns: Sequence[str]) -> int:
        """The bytes of all files that match one of the patterns."""
        return sum(self._sizes[name] for name in {name for pattern in patterns for name in self.find(pattern)})

    def lines(self, name: str) -> Iterator[tuple[int, str]]:
        """The lines of a file with their numbers. Raises Invalid for what is no text in UTF-8."""
        self._digest.update(name.encode())
        with self.open(name) as raw:
            number = 0
            while data := raw.readline(LONGEST):
                number += 1
                self._digest.update(data)
                self._advance(len(data))
                yield number, self._text(name, number, data)

    def open(self, name: str) -> IO[bytes]:
        """A file as bytes."""
        if self._zip is not None:
            return self._zip.open(name)
        return (self.path if self.path.is_file() else self.path / name).open("rb")

    def table(self, name: str, *columns: str) -> Iterator[tuple[int, dict[str, str]]]:
        """The rows of a CSV file by column, with their numbers. Raises Invalid for a column or a value that lacks."""
        at = 0

        def texts() -> Iterator[str]:
            nonlocal at
            for at, text in self.lines(name):  # noqa: B007 - the row's number is its last line's
                yield text

        try:
            rows = csv.DictReader(texts(), strict=True)
            lacking = [column for column in columns if column not in (rows.fieldnames or ())]
            if lacking:
                raise self.wrong(name, 1, f"there is no column {', '.join(lacking)}")
            for row in rows:
                if None in row or None in row.values():
                    raise self.wrong(name, at, "the row has more or fewer values than there are columns")
                yield at, row
        except csv.Error as error:
            raise self.wrong(name, at, f"no CSV: {error}") from error

    def wrong(self, name: str, line: int, why: str) -> HealixError:
        """Invalid: what is wrong, with file and line."""
        return invalid(f"{name}, line {line}: {why}")

    def _text(self, name: str, number: int, data: bytes) -> str:
        try:
            text = data.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise self.wrong(name, number, "this is no text in UTF-8") from error
        if "\0" in text or len(data) == LONGEST:
            raise self.wrong(name, number, "this is no text")
        return text

    def _listed(self) -> dict[str, int]:
        if self._zip is not None:
            return {one.filename: one.file_size for one in self._zip.infolist() if not one.is_dir()}
        if self.path.is_file():
            return {self.path.name: self.path.stat().st_size}
        found = (one for one in self.path.rglob("*") if one.is_file())
        return {one.relative_to(self.path).as_posix(): one.stat().st_size for one in found}


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise invalid(f"{path} cannot be read: {error}") from error
