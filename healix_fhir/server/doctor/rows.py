"""What the database tells: its own settings, and how far the server's work is behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from psycopg import Connection

from healix_fhir.kernel.database import Row
from healix_fhir.kernel.outbox import ATTEMPTS
from healix_fhir.kernel.settings import Settings
from healix_fhir.server import migrate
from healix_fhir.server.doctor.finding import Finding, ok, problem, warning

OLDEST = 150_000
"""PostgreSQL 15."""
SKEW, SKEW_BAD = 2.0, 30.0
"""Seconds between two clocks: of these tokens and assertions live for minutes."""
BEHIND, BEHIND_BAD = 60.0, 900.0
"""Seconds that something waits which is done in less than one."""
WEB_CONNECTIONS, OTHER_CONNECTIONS = 8, 40
"""Connections that a web worker, and that all else of a node, opens at most."""
KEY_DAYS = 365
CHECKED_DAYS = 45


def findings(connection: Connection[Row], settings: Settings) -> Iterator[Finding]:
    """What is asked of every database; what is in the tables only where the schema is this version's."""
    yield _version(connection)
    yield from _durable(connection)
    yield _connections(connection, settings)
    yield clock(connection, "clock")
    schema = _schema(connection)
    yield schema
    if schema.state == "ok":
        for look in TABLES:
            yield look(connection)


def single(connection: Connection[Row], statement: str) -> Any:
    """The one row of a statement."""
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row


def _version(connection: Connection[Row]) -> Finding:
    number = connection.info.server_version
    said = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    return ok("database", said) if number >= OLDEST else problem("database", f"{said}: 15 or later is needed")


def _durable(connection: Connection[Row]) -> Iterator[Finding]:
    """The settings without which what was acknowledged may be lost."""
    for name, lost in (
        ("fsync", "a crash of the machine can destroy the whole database"),
        ("full_page_writes", "a crash of the machine can destroy pages of the database"),
        ("synchronous_commit", "a crash loses what was acknowledged within the last second"),
    ):
        (value,) = single(connection, f"SHOW {name}")
        yield problem(name, f"is off: {lost}") if value == "off" else ok(name, f"is {value}")


def _connections(connection: Connection[Row], settings: Settings) -> Finding:
    (most,) = single(connection, "SELECT current_setting('max_connections')::int")
    (used,) = single(connection, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    need = settings.workers * WEB_CONNECTIONS + OTHER_CONNECTIONS
    said = f"{used} of max_connections={most} are in use; a node with {settings.workers} web workers opens up to {need}"
    return warning("connections", said) if need > most or used > most * 0.9 else ok("connections", said)


def clock(connection: Connection[Row], about: str) -> Finding:
    """How far the database's clock is from this machine's."""
    before = time.time()
    (there,) = single(connection, "SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    skew = 0.0 if before <= there <= after else min(abs(there - before), abs(there - after))
    said = f"the clocks of database and server are {skew:.1f} s apart"
    return problem(about, said) if skew > SKEW_BAD else warning(about, said) if skew > SKEW else ok(about, said)


def _schema(connection: Connection[Row]) -> Finding:
    restoring, partitioning = single(
        connection,
        f"""SELECT to_regclass('public.{migrate.RESTORING}') IS NOT NULL,
              to_regclass('{migrate.PARTITIONING}') IS NOT NULL""",
    )
    if restoring:
        return problem("schema", "a restore is running or was cut off: run `healix restore` again")
    if partitioning:
        return problem("schema", "a partitioning is running or was cut off: run `healix partition` again")
    there, here = migrate.current(connection), migrate.head()
    if there is None:
        return problem("schema", "the database is empty: run `healix migrate`, or `healix serve`")
    if there > here:
        if migrate.oldest(connection) <= here:
            return warning("schema", f"{there}, of a later version that supports this one ({here}): update this node")
        return problem("schema", f"{there}, of a later version than this program ({here})")
    if there != here:
        return problem("schema", f"{there}, not up to date: run `healix migrate` ({here})")
    return ok("schema", there)


def _behind(about: str, count: int, seconds: float, what: str) -> Finding:
    said = f"{count} {what}, the oldest for {seconds:.0f} s"
    if seconds > BEHIND_BAD:
        return problem(about, f"{said}: does a job worker run?")
    return warning(about, said) if seconds > BEHIND else ok(about, said if count else f"no {what}")


def _outbox(connection: Connection[Row]) -> Finding:
    count, age, failed = single(
        connection,
        f"""SELECT count(*) FILTER (WHERE attempts < {ATTEMPTS} AND due <= now()),
              coalesce(extract(epoch FROM now() - min(due) FILTER (WHERE attempts < {ATTEMPTS})), 0)::float8,
              count(*) FILTER (WHERE attempts >= {ATTEMPTS}) FROM outbox""",
    )
    if failed:
        return problem("events", f"{failed} were given up after {ATTEMPTS} tries; the job worker's log says why")
    return _behind("events", count, age, "wait for their consumers")


def _jobs(connection: Connection[Row]) -> Finding:
    count, age, failed = single(
        connection,
        """SELECT count(*) FILTER (WHERE status = 'todo' AND scheduled_at <= now()),
             coalesce(extract(epoch FROM now() - min(scheduled_at) FILTER (WHERE status = 'todo')), 0)::float8,
             count(*) FILTER (WHERE status = 'failed') FROM procrastinate_jobs""",
    )
    if failed:
        return warning("jobs", f"{failed} have failed; the job worker's log says why")
    return _behind("jobs", count, age, "are due")


def _mail(connection: Connection[Row]) -> Finding:
    count, age, given_up = single(
        connection,
        """SELECT count(*) FILTER (WHERE given_up IS NULL AND due <= now()),
             coalesce(extract(epoch FROM now() - min(due) FILTER (WHERE given_up IS NULL)), 0)::float8,
             count(*) FILTER (WHERE given_up IS NOT NULL) FROM mail""",
    )
    if given_up:
        return warning("mail", f"{given_up} could not be sent and were given up")
    return _behind("mail", count, age, "wait to be sent")


def _audit(connection: Connection[Row]) -> Finding:
    count, age = single(
        connection,
        """SELECT count(*), coalesce(extract(epoch FROM now() - min(recorded)), 0)::float8 FROM audit_event
           WHERE seq > coalesce((SELECT high FROM audit_block ORDER BY number DESC LIMIT 1), -1)""",
    )
    return _behind("audit", count, age, "rows are not in the chain yet")


def _keys(connection: Connection[Row]) -> Finding:
    (days,) = single(
        connection,
        "SELECT extract(day FROM now() - max(created) FILTER (WHERE retired IS NULL))::int FROM signing_key",
    )
    if days is None:
        return ok("signing key", "none yet: it is made when the first is needed")
    said = f"{days} days old"
    return warning("signing key", f"{said}: `healix keys rotate`") if days > KEY_DAYS else ok("signing key", said)


def _images(connection: Connection[Row]) -> Finding:
    damaged, instances, days = single(
        connection,
        """SELECT (SELECT count(*) FROM damaged_instance),
             EXISTS (SELECT FROM instance) OR EXISTS (SELECT FROM non_patient_instance),
             extract(day FROM now() - (SELECT max(finished) FROM integrity_check))::int""",
    )
    if damaged:
        return problem("images", f"{damaged} are missing or damaged: `healix study damaged`")
    if instances and (days is None or days > CHECKED_DAYS):
        since = "never" if days is None else f"{days} days ago"
        return warning("images", f"all were read and compared {since}: `healix check`")
    return ok("images", "none is known to be damaged")


TABLES: tuple[Callable[[Connection[Row]], Finding], ...] = (_outbox, _jobs, _mail, _audit, _keys, _images)
