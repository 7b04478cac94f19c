"""What tests do to an audit trail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection

from healix_fhir.kernel.audit import AuditRow, Origin, record
from healix_fhir.kernel.audit_chain import seal
from healix_fhir.kernel.database import Row, one, run


def written(connection: Connection[Row], count: int, *, sealed: bool = True) -> None:
    """Write `count` rows and, when `sealed`, a block of them."""
    rows = [
        AuditRow(Origin(client="app", address="10.0.0.7"), "R", "read", patient=f"p{n % 7}", entity=f"Patient/p{n % 7}")
        for n in range(count)
    ]
    run(connection, one(record(rows)))
    if sealed:
        sealed_now(connection)


def sealed_now(connection: Connection[Row]) -> int:
    """Seal one block."""
    with connection.transaction():
        return run(connection, seal())


@contextmanager
def intruder(url: str) -> Iterator[Connection[Row]]:
    """A connection that the database's refusals do not hold."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection
