"""The FHIR part of an import: bundles and lines of NDJSON, resources before those that refer to them.

Apart from the rest of an import because of what it needs loaded: half a second, which a folder of images does not wait
for.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import partial

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.interaction.review import Demands, demands
from healix_fhir.kernel.database import Row
from healix_fhir.kernel.errors import invalid
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.importing.apart import Apart
from healix_fhir.server.importing.bundles import BundleImport
from healix_fhir.server.importing.fhir import FhirImport
from healix_fhir.server.importing.lanes import Lanes, Writer
from healix_fhir.server.importing.lines import Line, LineWriter, Written, writing
from healix_fhir.server.importing.report import Place, Report
from healix_fhir.server.importing.sources import Kind, Source, lines

MB = 1 << 20
SMALL = 1 << 18
"""Bytes of NDJSON that are written sooner than a process has started."""


def resources(
    settings: Settings,
    pool: ConnectionPool[Connection[Row]],
    sources: Sequence[Source],
    advance: Callable[[int], None],
    processes: int,
    report: Report,
) -> None:
    """Import what is no image into `report`."""
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
    return [Elsewhere(Apart(partial(writing, settings.database_url, bases, wanted))) for _ in range(processes)]


class Elsewhere:
    """A `LineWriter` in another process."""

    def __init__(self, call: Apart[Sequence[Line], Written]) -> None:
        self.write = call
        self.close = call.close
