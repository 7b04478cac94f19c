"""One import from first to last file: FHIR first, so that images find the patients that came with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row, at_once, one
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.importing import crew, dicom
from healix_fhir.server.importing.apart import Apart
from healix_fhir.server.importing.dicom import DicomWriter
from healix_fhir.server.importing.journal import Done, Todo, forget
from healix_fhir.server.importing.report import Report
from healix_fhir.server.importing.sources import Kind, Source

FEW = 100
"""DICOM files that are stored sooner than a process has started."""


def run(
    settings: Settings,
    pool: ConnectionPool[Connection[Row]],
    sources: Sequence[Source],
    advance: Callable[[int], None],
    *,
    processes: int,
    name: bytes,
) -> Report:
    """Import `sources`, lines of NDJSON and DICOM files over so many processes; `advance` is told how many bytes are
    done. `name` is what the import is known by when it is started again (`journal.run_of`).

    Refused items do not stop it.
    """
    report = Report()
    if fhir := [source for source in sources if source.kind is not Kind.DICOM]:
        from healix_fhir.server.importing.resources import resources

        resources(settings, pool, fhir, advance, processes, report)
    images = [Todo(source.path, source.size, source.modified) for source in sources if source.kind is Kind.DICOM]
    if images:
        with _storing(settings, pool, len(images), processes, name) as workers:
            crew.store(images, workers, report, advance)
    at_once(pool, one(forget(name)))
    return report


@contextmanager
def _storing(
    settings: Settings, pool: ConnectionPool[Connection[Row]], files: int, processes: int, name: bytes
) -> Iterator[Sequence[crew.Worker]]:
    """Processes for many DICOM files, this one for few."""
    if files < FEW:
        yield [DicomWriter(settings, pool, name)]
        return
    workers: list[Apart[Sequence[Todo], list[Done]]] = [
        Apart(partial(dicom.opened, settings, name)) for _ in range(processes)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.close()
