"""One import from first to last file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psycopg import Connection
from psycopg_pool import ConnectionPool

from dicomweb.archive.opening import open_archive
from healix_fhir.interaction.review import demands
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import HealixError, invalid
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.importing.dicom import DicomImport
from healix_fhir.server.importing.fhir import FhirImport
from healix_fhir.server.importing.report import Report
from healix_fhir.server.importing.sources import Kind, Source, chunks, lines

GB = 1 << 30


def run(
    settings: Settings,
    pool: ConnectionPool[Connection[Row]],
    sources: Sequence[Source],
    advance: Callable[[int], None],
) -> Report:
    """Import `sources` in order; `advance` is told how many bytes were read. Refused items do not stop it."""
    report = Report()
    fhir = FhirImport(pool, (settings.fhir_base,), report, demands(settings.validate_profiles))
    dicom = DicomImport(pool, open_archive(settings), settings.max_store_gb * GB, report)
    for source in sources:
        try:
            if source.kind is Kind.DICOM:
                dicom.take(str(source.path), chunks(source, advance))
            else:
                for number, line in lines(source, advance):
                    fhir.take(f"{source.path}:{number}", line)
        except (OSError, EOFError) as error:
            report.refuse(str(source.path), invalid(f"the file cannot be read: {type(error).__name__}"))
        except HealixError as error:
            report.refuse(str(source.path), error)
    fhir.close()
    dicom.close()
    return report
