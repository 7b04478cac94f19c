"""Writes what a package holds as resources of this server, each under its own id, as an import does.

Definitions are then read and searched like all resources, and active SearchParameters are searched by as soon as every
resource is indexed by them. A later version of a guide replaces the resources of an earlier one, which stay in their
history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import zstandard
from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.kernel.database import Row
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.importing.lines import LineWriter
from healix_fhir.server.importing.report import Place

GROUP = 100

Named = tuple[str, bytes]
"""A resource: what the report calls it, and its JSON under zstd."""


@dataclass
class Published:
    """How many resources were written, and why others were not, by name."""

    resources: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def publish(
    settings: Settings, pool: ConnectionPool[Connection[Row]], found: Sequence[Named], advance: Callable[[int], None]
) -> Published:
    """Write `found`; `advance` is told how many are done. What is refused does not stop it."""
    writer = LineWriter(pool, (settings.fhir_base,))
    published = Published()
    for start in range(0, len(found), GROUP):
        group = found[start : start + GROUP]
        written = writer.write([(Place(name), zstandard.decompress(body)) for name, body in group])
        published.resources += written.resources
        published.refused |= {place.path: "; ".join(reasons) for place, reasons in written.refused}
        advance(len(group))
    return published
