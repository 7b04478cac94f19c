"""An export, done: rows of one state of the database into files, as far as the caller's access lets through.

Stored bytes go out as they are, row by row, so that memory does not grow with what is exported; they are read only
where parts of resources are wanted. A job that is begun again begins anew: one state stays one state.

Spec: HL7 Bulk Data Access 2.0.0 export.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec
from psycopg import Connection, RawCursor
from psycopg_pool import ConnectionPool

from healix_fhir.bulk import job as jobs
from healix_fhir.bulk import parquet
from healix_fhir.bulk.asked import PARQUET, Export
from healix_fhir.bulk.cohort import cohort
from healix_fhir.bulk.gathered import Gathered
from healix_fhir.bulk.job import File, Run
from healix_fhir.bulk.line import Lines
from healix_fhir.bulk.output import Series
from healix_fhir.bulk.pulse import OverError, Pulse
from healix_fhir.bulk.selection import Selection, searches
from healix_fhir.bulk.snapshot import snapshot
from healix_fhir.bulk.starts import started
from healix_fhir.bulk.store import FileStore
from healix_fhir.interaction.status import outcome
from healix_fhir.kernel.database import Fragment, Row, run, transaction
from healix_fhir.kernel.errors import HealixError, Issue
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.placeholders import posed
from healix_fhir.model.json import encode
from healix_fhir.search.granular import ScopeQueries
from smart_auth.access import restored

BUNDLED = 1000
"""Deletions in one line."""
LOOK = 500
"""Rows between two looks at whether to go on."""
log = get_logger("bulk")


class Exporter:
    """Does exports over the database at `url` into `store`, whose files are kept for `hours`.

    `bases` are the server's FHIR base URLs. The first try reads the hot standby `replica` where there is one, a further
    one the primary: a standby ends statements that keep it from replaying.
    """

    def __init__(
        self,
        url: str,
        pool: ConnectionPool[Connection[Row]],
        store: FileStore,
        bases: tuple[str, ...],
        hours: int,
        replica: str = "",
    ) -> None:
        self._url = url
        self._replica = replica
        self._pool = pool
        self._store = store
        self._bases = bases
        self._hours = hours

    def export(self, id_: str) -> None:
        """Do the job. Raises what may pass, so that it is begun again."""
        begun = transaction(self._pool, lambda: jobs.start(id_))
        if begun is None:
            return
        try:
            started(begun, "export", lambda: self._run(begun), lambda error: self._fail(begun, error))
        except OverError:
            self._remove(begun, _prefix(begun.number))

    def _fail(self, begun: Run, error: HealixError) -> None:
        failed = transaction(self._pool, lambda: jobs.fail(begun, error, self._hours))
        self._remove(begun, "" if failed else _prefix(begun.number))

    def _remove(self, begun: Run, prefix: str) -> None:
        """Remove what a run that is over has written; where the store is away, the sweep does so later."""
        try:
            self._store.remove(begun.job.id, prefix)
        except HealixError as error:
            log.warning("files of an export are left to the sweep", detail=error.detail)

    def _run(self, begun: Run) -> None:
        for earlier in range(1, begun.number):
            self._store.remove(begun.job.id, _prefix(earlier))
        export = msgspec.json.decode(begun.job.asked, type=Export)
        access = transaction(self._pool, lambda: restored(begun.job.access, ScopeQueries(self._bases)))
        # Before the state is taken: what is looked up may put code systems into the tables, which it has to have.
        filtered = transaction(self._pool, lambda: searches(access, export, self._bases[0]))
        keeps = export.organized or export.associated is not None  # keys in a table, which a standby cannot make
        replica = "" if keeps or begun.number > 1 else self._replica
        with snapshot(self._url, self._pool, replica) as (reading, moment), Pulse(self._pool, begun, reading) as pulse:
            pulse.check()
            whose = run(reading, cohort(access, export, self._bases, moment))
            selection = Selection(export, access, whose, self._bases[0], filtered)
            made = _Making(reading, selection, pulse, self._store, f"{begun.job.id}/{_prefix(begun.number)}").files(
                (*export.issues, *whose.issues)
            )
            pulse.check()
        if not transaction(self._pool, lambda: jobs.complete(begun, moment, pulse.done, made, self._hours)):
            raise OverError


def _prefix(number: int) -> str:
    """What the names of the files of a run begin with: one that was thought dead removes no other's."""
    return f"{number}-"


class _Making:
    """The files of one run, read over `reading`."""

    def __init__(
        self, reading: Connection[Row], selection: Selection, pulse: Pulse, store: FileStore, directory: str
    ) -> None:
        self._reading = reading
        self._selection = selection
        self._pulse = pulse
        self._store = store
        self._directory = directory
        self._lines = Lines(selection.base, selection.export.subset)

    def files(self, issues: Sequence[str]) -> list[File]:
        """Make them all; `issues` are what is to be told beside."""
        export = self._selection.export
        if export.organized or export.associated is not None:
            made = self._gathered(Gathered(self._reading, self._selection))
        else:
            made = [file for name in export.types for file in self._of_type(name, self._selection.rows(name, "t.body"))]
        return [*made, *self._deleted(), *self._told(issues)]

    def _gathered(self, gathered: Gathered) -> list[File]:
        export = self._selection.export
        gathered.gather()
        if not export.organized:
            types = (*export.types, *gathered.further)
            return [file for name in types for file in self._of_type(name, gathered.of_type(name))]
        with Series(self._store, self._directory, "output", None, "patients") as series:
            block: str | None = None
            for id_, body in self._stream(gathered.by_patient()):
                if id_ != block:
                    if series.full:
                        series.end()
                    series.add(_header(id_), resources=0)
                    block = id_
                series.add(self._lines.line(body))
                self._count("by patient")
        return series.made

    def _of_type(self, type_name: str, rows: Fragment | None) -> list[File]:
        if rows is None:
            return []
        self._pulse.note = type_name
        if self._selection.export.format == PARQUET:
            return self._tables(type_name, rows)
        with Series(self._store, self._directory, "output", type_name, type_name) as series:
            for (body,) in self._stream(rows):
                if series.full:
                    series.end()
                series.add(self._lines.line(body))
                self._count(type_name)
        return series.made

    def _tables(self, type_name: str, rows: Fragment) -> list[File]:
        made: list[File] = []
        lines = self._read(type_name, rows)
        while (first := next(lines, None)) is not None:
            name = f"{type_name}-{len(made) + 1}.parquet"
            taken = parquet.Rows(type_name, chain([first], lines))
            with self._store.make(f"{self._directory}{name}") as sink:
                size = parquet.write(sink, type_name, taken)
            made.append(File(name, "output", type_name, taken.count, size, f"{self._directory}{name}"))
        return made

    def _read(self, type_name: str, rows: Fragment) -> Iterator[bytes]:
        for (body,) in self._stream(rows):
            yield self._lines.line(body)
            self._count(type_name)

    def _count(self, note: str) -> None:
        self._pulse.done += 1
        if self._pulse.done % LOOK == 0:
            self._pulse.note = note
            self._pulse.check()

    def _deleted(self) -> list[File]:
        with Series(self._store, self._directory, "deleted", "Bundle", "deleted") as series:
            for name in self._selection.export.types:
                rows = self._selection.deleted(name)
                gone = [id_ for (id_,) in self._stream(rows)] if rows is not None else []
                for start in range(0, len(gone), BUNDLED):
                    series.add(_deletions(name, gone[start : start + BUNDLED]))
        return series.made

    def _told(self, issues: Sequence[str]) -> list[File]:
        with Series(self._store, self._directory, "error", "OperationOutcome", "errors") as series:
            for message in issues:
                series.add(outcome([Issue("not-supported", message, severity="warning")]))
        return series.made

    def _stream(self, rows: Fragment) -> Iterator[Row]:
        with RawCursor(self._reading) as cursor:
            yield from cursor.stream(*posed(rows.sql, rows.params), binary=True)


def _header(id_: str) -> bytes:
    """What begins the block of a patient. Spec: HL7 Bulk Data Access 3.0.0 export.html (organizeOutputBy)"""
    header = {"name": "header", "valueReference": {"reference": f"Patient/{id_}"}}
    return encode({"resourceType": "Parameters", "parameter": [header]})


def _deletions(type_name: str, ids: Sequence[str]) -> bytes:
    entries: list[dict[str, Any]] = [{"request": {"method": "DELETE", "url": f"{type_name}/{id_}"}} for id_ in ids]
    return encode({"resourceType": "Bundle", "type": "transaction", "entry": entries})
