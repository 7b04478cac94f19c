"""One state of the database for a whole export, and the moment up to which it is complete.

Resources carry the time at which their writer decided, a little before its transaction ends. So the moment that an
export tells is no later than the beginning of any transaction that was still open when the state was taken: all that
says it was written until then is in it. Of what is written about that time it may already have a later version.

Spec: HL7 Bulk Data Access 2.0.0 export.html#response---complete-status (transactionTime)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg_pool import ConnectionPool

from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Row, Statement, Work, transaction

NAME = "healix bulk export"
SETTLE = 0.3
"""Seconds between a writer's decision and the beginning of its statement, at most; a transaction's begins before."""
LONGEST = "4h"
"""Time for one statement of an export."""

_OPEN = """SELECT min(xact_start) FROM pg_stat_activity
           WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
             AND application_name <> %s"""


@contextmanager
def snapshot(url: str, pool: ConnectionPool[Connection[Row]]) -> Iterator[tuple[Connection[Row], datetime]]:
    """A connection that sees one state inside the block, and the moment up to which that is complete."""
    asked = clock.now()
    time.sleep(SETTLE)
    begun = transaction(pool, _oldest)
    with psycopg.connect(url, autocommit=True, application_name=NAME) as connection:
        connection.execute("SET temp_buffers = '64MB'")
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{LONGEST}'")
            connection.execute("SELECT 1")  # the first query takes the state
            yield connection, asked if begun is None else min(asked, begun.astimezone(UTC))


def _oldest() -> Work[datetime | None]:
    rows = yield Statement(_OPEN, (NAME,))
    oldest: datetime | None = rows[0][0]
    return oldest
