"""One import from first to last file."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.opening import open_archive
from healix_fhir.interaction.review import Demands, demands
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.importing.bundles import BundleImport
from healix_fhir.server.importing.dicom import DicomImport
from healix_fhir.server.importing.fhir import FhirImport
from healix_fhir.server.importing.lanes import Lanes, Writer
from healix_fhir.server.importing.lines import LineWriter
from healix_fhir.server.importing.process import WriterProcess
from healix_fhir.server.importing.report import Place, Report
from healix_fhir.server.importing.sources import Kind, Source, chunks, lines

MB, GB = 1 << 20, 1 << 30
SMALL = 1 << 18
"""Bytes of NDJSON that are written sooner than a process has started."""


def run(
    settings: Settings,
    pool: ConnectionPool[Connection[Row]],
    sources: Sequence[Source],
    advance: Callable[[int], None],
    *,
    processes: int,
) -> Report:
    """Import `sources` in order, lines of NDJSON over so many processes; `advance` is told how many bytes were read.

    Refused items do not stop it.
    """
    report = Report()
    dicom = DicomImport(pool, open_archive(settings), settings.max_store_gb * GB, report)
    wanted = demands(settings.validate_profiles)
    with Lanes(_writers(settings, wanted, pool, sources, processes), report) as lanes:
        fhir = FhirImport(BundleImport(pool, (settings.fhir_base,), report, wanted), lanes)
        for source in sources:
            place = Place(str(source.path))
            try:
                if source.kind is Kind.DICOM:
                    dicom.take(place, chunks(source, advance))
                    continue
                for number, line in lines(source, advance, settings.max_body_mb * MB):
                    at = place._replace(line=number)
                    if line is None:
                        report.reject(at, [f"larger than {settings.max_body_mb} MB (HEALIX_MAX_BODY_MB)"])
                    else:
                        fhir.take(at, line)
            except (OSError, EOFError, zlib.error) as error:
                report.refuse(place, invalid(f"the file cannot be read: {type(error).__name__}"))
        fhir.close()
        dicom.close()
    return report


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
    return [WriterProcess(settings.database_url, bases, wanted) for _ in range(processes)]
