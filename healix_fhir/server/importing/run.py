"""One import from first to last file: FHIR first, so that images find the patients that came with them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.review import Demands, demands
from healix_fhir.kernel.database import Row, at_once, one
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.importing import crew, dicom
from healix_fhir.server.importing.apart import Apart
from healix_fhir.server.importing.bundles import BundleImport
from healix_fhir.server.importing.dicom import DicomWriter
from healix_fhir.server.importing.fhir import FhirImport
from healix_fhir.server.importing.journal import Done, Todo, forget
from healix_fhir.server.importing.lanes import Lanes, Writer
from healix_fhir.server.importing.lines import Line, LineWriter, Written, writing
from healix_fhir.server.importing.report import Place, Report
from healix_fhir.server.importing.sources import Kind, Source, lines

MB = 1 << 20
SMALL = 1 << 18
"""Bytes of NDJSON that are written sooner than a process has started."""
FEW = 100
"""The same, as a number of DICOM files."""


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
    _fhir(settings, pool, [source for source in sources if source.kind is not Kind.DICOM], advance, processes, report)
    images = [Todo(source.path, source.size, source.modified) for source in sources if source.kind is Kind.DICOM]
    if images:
        with _storing(settings, pool, len(images), processes, name) as workers:
            crew.store(images, workers, report, advance)
    at_once(pool, one(forget(name)))
    return report


def _fhir(
    settings: Settings,
    pool: ConnectionPool[Connection[Row]],
    sources: Sequence[Source],
    advance: Callable[[int], None],
    processes: int,
    report: Report,
) -> None:
    wanted = demands(settings.validate_profiles)
    with Lanes(_writers(settings, wanted, pool, sources, processes), report) as lanes:
        fhir = FhirImport(BundleImport(pool, (settings.fhir_base,), report, wanted), lanes)
        for source in sources:
            place = Place(str(source.path))
            try:
                for number, line in lines(source, advance, settings.max_body_mb * MB):
                    at = place._replace(line=number)
                    if line is None:
                        report.reject(at, [f"larger than {settings.max_body_mb} MB (HEALIX_MAX_BODY_MB)"])
                    else:
                        fhir.take(at, line)
            except (OSError, EOFError, zlib.error) as error:
                report.refuse(place, invalid(f"the file cannot be read: {type(error).__name__}"))
        fhir.close()


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


def _writers(
    settings: Settings,
    wanted: Demands,
    pool: ConnectionPool[Connection[Row]],
    sources: Sequence[Source],
    processes: int,
) -> list[Writer]:
    """Processes for much NDJSON, this one for little."""
    bases = (settings.fhir_base,)
    if sum(source.size for source in sources if source.kind is Kind.NDJSON) < SMALL:
        return [LineWriter(pool, bases, wanted)]
    return [_Elsewhere(Apart(partial(writing, settings.database_url, bases, wanted))) for _ in range(processes)]


class _Elsewhere:
    """A `LineWriter` in another process."""

    def __init__(self, call: Apart[Sequence[Line], Written]) -> None:
        self.write = call
        self.close = call.close
