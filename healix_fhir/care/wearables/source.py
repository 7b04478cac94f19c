"""Files of readings, told apart by their names: exports of Apple Health, FIT files, tables and lines of JSON.

A file is read in pieces, however large it is; only FIT files, which are small, are read whole.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from healix_fhir.care.wearables.apple_health import Export, strip
from healix_fhir.care.wearables.fit import Fit
from healix_fhir.kernel.errors import invalid, too_large
from healix_fhir.operation.measurement.reading import Refused, ndjson, table

PIECE = 1 << 20
LARGEST_FIT = 64 << 20
LARGEST_STRIP = 4 << 20
KINDS = (".xml", ".zip", ".fit", ".csv", ".ndjson")
Advance = Callable[[int], None]


class Found(NamedTuple):
    """A reading as it was found: in which file of an archive (empty: the file itself), its line or number, its fields.

    `apps`: `device` is what an app calls its source, and no Device here.
    """

    member: str
    number: int
    fields: dict[str, Any] | Refused
    apps: bool


class Source:
    """One file. `advance` is told how many bytes of it are read; `skipped` counts what is no metric, by type."""

    def __init__(self, path: Path, advance: Advance) -> None:
        if path.suffix.lower() not in KINDS:
            raise invalid(f"{path.name}: a file of readings is one of {', '.join(KINDS)}")
        self._path, self._advance = path, advance
        self.skipped: Counter[str] = Counter()

    def found(self) -> Iterator[Found]:
        """Its readings. Raises Invalid where it is not what its name says."""
        kind = self._path.suffix.lower()
        if kind == ".zip":
            yield from self._archive()
            return
        if kind not in (".xml", ".fit"):
            yield from self._lines(kind)
            return
        with self._path.open("rb") as file:
            if kind == ".xml":
                yield from self._apple(file, "", self._advance)
            else:
                yield from self._fit(file, "", self._path.stat().st_size)
                self._advance(self._path.stat().st_size)

    def _lines(self, kind: str) -> Iterator[Found]:
        """Bytes that are no UTF-8 become marks, so that the line is refused that has them, and no other."""
        with self._path.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            for number, fields in (table if kind == ".csv" else ndjson)(self._counted(lines)):
                yield Found("", number, fields, apps=False)  # type: ignore[arg-type]

    def _counted(self, lines: IO[str]) -> Iterator[str]:
        for line in lines:
            self._advance(len(line))
            yield line

    def _archive(self) -> Iterator[Found]:
        """An archive of Apple Health, or of FIT files."""
        try:
            archive = zipfile.ZipFile(self._path)
        except zipfile.BadZipFile as error:
            raise invalid(f"{self._path.name}: this is no ZIP file") from error
        with archive:
            strips = 0
            for one in archive.infolist():
                name = one.filename.rpartition("/")[2]
                with archive.open(one) as file:
                    if name == "export.xml":
                        share = one.compress_size / max(1, one.file_size)
                        yield from self._apple(file, name, lambda size, share=share: self._advance(int(size * share)))  # type: ignore[misc]
                    elif name.lower().endswith(".fit"):
                        yield from self._fit(file, name, one.file_size)
                        self._advance(one.compress_size)
                    elif "electrocardiograms/" in one.filename and name.endswith(".csv"):
                        strips += 1
                        yield self._strip(file, name, strips)

    def _strip(self, file: IO[bytes], name: str, number: int) -> Found:
        body = file.read(LARGEST_STRIP + 1)
        if len(body) > LARGEST_STRIP:
            return Found(name, number, Refused(number, "the strip is too large"), apps=True)
        return Found(name, *strip(number, name, body.decode("utf-8-sig", "replace")), apps=True)

    def _apple(self, file: IO[bytes], member: str, advance: Advance) -> Iterator[Found]:
        export = Export()
        for number, fields in export.lines(_pieces(file, advance)):
            yield Found(member, number, fields, apps=True)
        self.skipped += export.skipped

    def _fit(self, file: IO[bytes], member: str, size: int) -> Iterator[Found]:
        if size > LARGEST_FIT:
            raise too_large(f"{member or self._path.name}: a FIT file has at most {LARGEST_FIT >> 20} MB")
        fit = Fit()
        for number, fields in fit.lines(file.read(LARGEST_FIT)):
            yield Found(member, number, fields, apps=True)
        self.skipped += fit.skipped


def _pieces(file: IO[bytes], advance: Advance) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        advance(len(piece))
        yield piece
