"""One state of the database for a whole export, and the moment up to which it is complete.

Where there is a hot standby that follows, the state is that of the standby, which an export does not keep from being
cleaned as it would the primary: its state is no older than the moment, as the primary's log of changes shows.

Resources carry the time at which their writer decided, a little before its transaction ends. So the moment that an
export tells is no later than the beginning of any transaction that was still open when the state was taken: all that
says it was written until then is in it. Of what is written about that time it may already have a later version.

Spec: HL7 Bulk Data Access 2.0.0 export.html#response---complete-status (transactionTime)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg_pool import ConnectionPool

from healix_fhir.kernel import clock
from healix_fhir.kernel.database import Row, Statement, Work, transaction, watched
from healix_fhir.kernel.log import get_logger
from healix_fhir.kernel.standby import WHOSE

NAME = "healix bulk export"
SETTLE = 0.3
"""Seconds between a writer's decision and the beginning of its statement, at most; a transaction's begins before."""
log = get_logger("bulk")
LONGEST = "4h"
"""Time for one statement of an export."""

CONNECT = 5
PATIENCE, PAUSE = 10.0, 0.05
"""Seconds that a standby has to replay what was committed, and between looks."""

_NOW = "SELECT pg_current_wal_insert_lsn()::text"
_REPLAYED = "SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= %s::pg_lsn"
_OPEN = """SELECT min(xact_start) FROM pg_stat_activity
           WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
             AND application_name <> %s"""


@contextmanager
def snapshot(
    url: str, pool: ConnectionPool[Connection[Row]], replica: str = ""
) -> Iterator[tuple[Connection[Row], datetime]]:
    """A connection that sees one state inside the block, and the moment up to which that is complete.

    It is one to the standby `replica`, where that follows the database of `pool` and comes as far as that is in time.
    """
    asked = clock.now()
    time.sleep(SETTLE)
    begun = transaction(pool, _oldest)
    with _opened(url, pool, replica) as connection:
        connection.execute("SET temp_buffers = '64MB'")
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{LONGEST}'")
            connection.execute("SELECT 1")  # the first query takes the state
            yield connection, asked if begun is None else min(asked, begun.astimezone(UTC))


def _opened(url: str, pool: ConnectionPool[Connection[Row]], replica: str) -> Connection[Row]:
    """To the standby if it has replayed all that was committed until now, else to the primary."""
    if replica:
        with pool.connection() as primary:
            reached, whose = _single(primary, _NOW), primary.execute(WHOSE).fetchone()
        with suppress(psycopg.Error):
            connection = psycopg.connect(
                watched(replica), autocommit=True, application_name=NAME, connect_timeout=CONNECT
            )
            try:
                if connection.execute(WHOSE).fetchone() == whose and _caught_up(connection, reached):
                    return connection
            except psycopg.Error:
                connection.close()
                raise
            connection.close()
        log.warning("the standby is not there, or behind: an export reads the primary")
    return psycopg.connect(watched(url), autocommit=True, application_name=NAME)


def _caught_up(standby: Connection[Row], reached: str) -> bool:
    until = time.monotonic() + PATIENCE
    while not _single(standby, _REPLAYED, reached):
        if time.monotonic() > until:
            return False
        time.sleep(PAUSE)
    return True


def _single(connection: Connection[Row], statement: str, *params: str) -> Any:
    row = connection.execute(statement.encode(), params).fetchone()
    assert row is not None
    return row[0]


def _oldest() -> Work[datetime | None]:
    rows = yield Statement(_OPEN, (NAME,))
    oldest: datetime | None = rows[0][0]
    return oldest
