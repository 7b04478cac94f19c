"""Statistics of tables of parts: PostgreSQL's autovacuum keeps those of the parts, never those of the whole."""

from __future__ import annotations

from psycopg import Connection

from healix_fhir.kernel.database import Row
from healix_fhir.server.partition.parts import DIVIDED

_DIVIDED = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'p'"


def refresh(connection: Connection[Row]) -> list[str]:
    """Look at a sample of each table of parts again; the tables that were looked at, none where all are whole.

    Spec: PostgreSQL 18, 24.1.3 Updating Planner Statistics
    """
    there = {name for (name,) in connection.execute(_DIVIDED)}
    found = [table.name for table in DIVIDED if table.name in there]
    for name in found:
        connection.execute(f"ANALYZE {name}".encode())
    return found
