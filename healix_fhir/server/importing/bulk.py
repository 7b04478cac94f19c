"""An import as a bulk job: the core of `healix import` in the name of a client, with what became of each line.

Each file is fetched whole before any of it is written. Lines go down lanes of processes; every `STEP` lines the lanes
are drained and the place is noted, from where a job goes on whose worker was killed. Lines after that place are written
once more, which changes nothing of what is there. When a job says that it is done, all that it stored can be found: the
index is written with the resources.

Spec: SMART on FHIR, bulk-import (2020 draft), import.md
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.bulk import job as jobs
from healix_fhir.bulk.imported import Import, Input, Mode, Progress
from healix_fhir.bulk.job import Run
from healix_fhir.bulk.output import Series
from healix_fhir.bulk.pulse import OverError, Pulse
from healix_fhir.bulk.starts import started
from healix_fhir.bulk.store import FileStore
from healix_fhir.interaction.review import demands
from healix_fhir.interaction.status import outcome
from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Row, Statement, one, transaction
from healix_fhir.kernel.errors import Category, HealixError, Issue
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.importing.apart import Apart
from healix_fhir.server.importing.fetch import fetch
from healix_fhir.server.importing.fhir import read_head
from healix_fhir.server.importing.lanes import Lanes
from healix_fhir.server.importing.lines import Manner, writing
from healix_fhir.server.importing.report import Place
from healix_fhir.server.importing.resources import MB, Elsewhere
from healix_fhir.server.importing.sources import numbered

STEP = 20_000
PROCESSES = 2
MANY = 10_000
"""Resources after which the database's statistics are made anew: plans are chosen by them."""
LISTED = 100_000
"""Refused lines of a job that are told one by one; of further ones their number is told."""
GZIP = b"\x1f\x8b"
log = get_logger("bulk")


class Importer:
    """Does imports with `settings` over `pool`; fetched files and refusals lie in `store`."""

    def __init__(self, settings: Settings, pool: ConnectionPool[Connection[Row]], store: FileStore) -> None:
        self._settings = settings
        self._pool = pool
        self._store = store

    def run(self, id_: str) -> None:
        """Do the job, from where it was cut off. Raises what may pass, so that it is begun again."""
        begun = transaction(self._pool, lambda: jobs.start(id_))
        if begun is None:
            return
        try:
            started(begun, "import", lambda: self._run(begun), lambda error: self._fail(begun, error))
        except OverError:
            return  # what another run goes on with is not removed; of a job that was called off its task clears all

    def _fail(self, begun: Run, error: HealixError) -> None:
        transaction(self._pool, lambda: jobs.fail(begun, error, self._settings.bulk_hours))

    def _run(self, begun: Run) -> None:
        asked = msgspec.json.decode(begun.job.asked, type=Import)
        progress = msgspec.json.decode(begun.job.place, type=Progress) if begun.job.place else Progress()
        count = len(asked.inputs)
        progress.stored += [0] * (count - len(progress.stored))
        progress.refused += [0] * (count - len(progress.refused))
        with Pulse(self._pool, begun) as pulse:
            pulse.done = sum(progress.stored)
            for number in range(progress.fetched, count):
                pulse.note = f"fetching file {number + 1} of {count}"
                self._fetch(begun, asked.inputs[number], number, pulse)
                progress.fetched = number + 1
                self._note(begun, progress)
            files = _Files(self._settings, self._store, begun, asked, progress, pulse)
            files.write(lambda: self._note(begun, progress))
            pulse.check()
        if sum(progress.stored) >= MANY:
            transaction(self._pool, lambda: one(Statement(ANALYZE)))
        done = transaction(
            self._pool,
            lambda: jobs.complete(begun, clock.now(), sum(progress.stored), progress.errors, self._settings.bulk_hours),
        )
        if not done:
            raise OverError

    def _note(self, begun: Run, progress: Progress) -> None:
        transaction(self._pool, lambda: one(jobs.note_place(begun, msgspec.json.encode(progress))))

    def _fetch(self, begun: Run, source: Input, number: int, pulse: Pulse) -> None:
        pulse.check()
        if source.upload is not None:
            return
        with self._store.make(_key(begun, source, number)) as sink:
            fetch(
                source.url,
                sink,
                most=self._settings.max_store_gb << 30,
                allow_private=self._settings.bulk_allow_private,
                check=pulse.check,
            )


ANALYZE = (
    "ANALYZE resource, compartment, index_token, index_string, index_date, index_reference, index_quantity,"
    " index_position, index_words"
)


def _key(begun: Run, source: Input, number: int) -> str:
    """Where the content of a file lies."""
    return f"{begun.job.id}/input-{number}" if source.upload is None else f"{source.upload}/{jobs.UPLOADED}"


class _Files:
    """The files of an import on their way: the tally of their lines, whose refusals go into files of their own."""

    def __init__(
        self, settings: Settings, store: FileStore, begun: Run, asked: Import, progress: Progress, pulse: Pulse
    ) -> None:
        self._settings = settings
        self._store = store
        self._begun = begun
        self._asked = asked
        self._number = progress.input
        self._progress = progress
        self._pulse = pulse
        self._errors = self._series(0)

    def write(self, note: Callable[[], None]) -> None:
        """Write what is left of them, calling `note` at each place from which it could go on.

        The same processes write all of them: to start takes one as long as to write some thousand lines.
        """
        with Lanes(self._writers(), self) as lanes:
            for number in range(self._progress.input, len(self._asked.inputs)):
                self._number = number
                self._pulse.note = f"file {number + 1} of {len(self._asked.inputs)}"
                self._errors = self._series(0)
                self._write(lanes, self._asked.inputs[number], note)

    def _write(self, lanes: Lanes, source: Input, note: Callable[[], None]) -> None:
        first = self._progress.line if self._progress.input == self._number else 0
        before, lines = self._told, 0
        for last, line in self._lines(source):
            if last <= first:
                continue
            lines += 1
            self._take(lanes, source, Place(source.url, last), line)
            if lines % STEP == 0:
                lanes.drain()
                self._at(self._number, last, note)
        lanes.drain()
        if self._told - before != lines:
            raise HealixError(Category.FAULT, "the import lost count of its lines", detail=f"{self._told} of {lines}")
        self._tell_unlisted()
        self._at(self._number + 1, 0, note)

    def _take(self, lanes: Lanes, source: Input, place: Place, line: bytes | None) -> None:
        """Hand a line on, unless it is too long or says that it is of another type; what it is not, its writer says."""
        head = read_head(line) if line is not None else None
        if line is None or head is None:
            self.reject(place, [f"larger than {self._settings.max_body_mb} MB (HEALIX_MAX_BODY_MB)"])
        elif head.resourceType not in ("", source.type):
            self.reject(place, [f"this is a {head.resourceType[:64]}, and not a {source.type}"])
        else:
            lanes.take(f"{head.resourceType}/{head.id}", place, line)

    @property
    def _told(self) -> int:
        return self._progress.stored[self._number] + self._progress.refused[self._number]

    def count(self, *, resources: int) -> None:
        """So many lines were stored."""
        self._progress.stored[self._number] += resources
        self._pulse.done += resources
        self._pulse.check()

    def reject(self, place: Place, reasons: Sequence[str]) -> None:
        """One was not."""
        self._progress.refused[self._number] += 1
        if self._unlisted:
            return
        issues = [Issue("processing", f"line {place.line}: {reason}") for reason in reasons]
        self._errors.add(outcome(issues))

    @property
    def _unlisted(self) -> int:
        """How many refused lines of the file are past those that the job lists."""
        before = sum(self._progress.refused[: self._number])
        return max(0, before + self._progress.refused[self._number] - max(before, LISTED))

    def _tell_unlisted(self) -> None:
        if unlisted := self._unlisted:
            message = f"{unlisted} further lines were refused: an import lists {LISTED} of them at most"
            self._errors.add(outcome([Issue("processing", message)]))

    def _at(self, file: int, line: int, note: Callable[[], None]) -> None:
        """Note a place; what was refused until then lies in files that have ended."""
        self._errors.end()
        self._progress.errors += self._errors.made
        self._progress.of += [self._number] * len(self._errors.made)
        self._progress.input, self._progress.line = file, line
        note()
        self._errors = self._series(line)

    def _series(self, line: int) -> Series:
        stem = f"errors-{self._number + 1}-{self._begun.number}-{line}"
        return Series(self._store, f"{self._begun.job.id}/", "error", "OperationOutcome", stem)

    def _writers(self) -> list[Elsewhere]:
        asked = self._asked
        manner = Manner(self._begun.job.access, asked.source, asked.mode == Mode.INITIAL)
        wanted, settings = demands(self._settings.validate_profiles), self._settings
        opened = partial(writing, settings.database_url, (settings.fhir_base,), wanted, manner)
        return [Elsewhere(Apart(opened)) for _ in range(PROCESSES)]

    def _lines(self, source: Input) -> Iterator[tuple[int, bytes | None]]:
        plain = io.BufferedReader(_Pieces(self._store.read(_key(self._begun, source, self._number))))
        stream: io.BufferedIOBase = gzip.GzipFile(fileobj=plain) if plain.peek(2)[:2] == GZIP else plain
        try:
            yield from numbered(stream, self._settings.max_body_mb * MB, self._pulse.check)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            message = f"{source.url[:200]} is not a whole gzip file"
            raise HealixError(Category.UNPROCESSABLE, message, code="structure") from error


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = memoryview(next(self._pieces, b""))
        size = min(len(self._left), len(buffer))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size
