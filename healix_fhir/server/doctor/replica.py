"""What the hot standbys of `HEALIX_DATABASE_REPLICA_URL` tell, also those that libpq would not choose now.

See docs/decisions/0188-who-asks-a-standby.md
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from healix_fhir.kernel.database import Row
from healix_fhir.kernel.standby import WHOSE
from healix_fhir.server import migrate
from healix_fhir.server.doctor.finding import Finding, State, ok, problem, warning
from healix_fhir.server.doctor.rows import BEHIND_BAD, clock, single

ABOUT = "standby"
CONNECT = 5
PATIENCE, PAUSE = 2.0, 0.02
"""Seconds that a standby has to replay what the primary has committed, and between looks."""
MB = 1 << 20


def findings(primary: Connection[Row], url: str) -> Iterator[Finding]:
    """How each standby of `url` follows `primary`."""
    hosts = list(_each(url))
    for number, host in enumerate(hosts, 1):
        about = ABOUT if len(hosts) == 1 else f"{ABOUT} {number}"
        try:
            with psycopg.connect(host, autocommit=True, connect_timeout=CONNECT) as connection:
                yield from _follows(primary, connection, about)
        except psycopg.Error as error:  # its text may hold the password
            yield problem(about, f"does not answer ({type(error).__name__}): the primary makes all searches")


def _each(url: str) -> Iterator[str]:
    """The connection strings of the hosts that `url` names; `url` itself where it cannot be read."""
    try:
        named = conninfo_to_dict(url)
    except psycopg.Error:
        yield url
        return
    lists = {name: str(named[name]).split(",") for name in ("host", "hostaddr", "port") if named.get(name)}
    for at in range(max(map(len, lists.values()), default=1)):
        yield make_conninfo("", **named | {name: given[at % len(given)] for name, given in lists.items()})


def _follows(primary: Connection[Row], standby: Connection[Row], about: str) -> Iterator[Finding]:
    if single(primary, WHOSE) != single(standby, WHOSE):
        yield problem(about, "does not follow the primary, but is of another system or name: it is not searched")
        return
    (recovers,) = single(standby, "SELECT pg_is_in_recovery()")
    if not recovers:
        yield problem(about, "is none (any more), but a primary of its own: it is not searched")
        return
    lag = _lag(primary, standby, about)
    yield lag
    yield clock(standby, f"clock of {about}")
    there, expected = migrate.current(standby), migrate.current(primary)
    if there != expected:
        yield problem(f"schema of {about}", f"{there}, and {expected} on the primary")
    elif lag.state is State.OK:
        yield ok(f"schema of {about}", "is the primary's")


def _lag(primary: Connection[Row], standby: Connection[Row], about: str) -> Finding:
    """How far it is behind what was committed on the primary just now; it has a moment to come there."""
    (reached,) = single(primary, "SELECT pg_current_wal_insert_lsn()::text")
    until = time.monotonic() + PATIENCE
    while True:
        missing, age = _missing(standby, reached)
        if missing <= 0:
            return ok(about, "has replayed all that was committed")
        if time.monotonic() > until:
            break
        time.sleep(PAUSE)
    said = f"is {missing / MB:.1f} MB behind, the last change that it has replayed is {age:.0f} s old"
    return problem(about, said) if age > BEHIND_BAD else warning(about, said)


def _missing(standby: Connection[Row], reached: str) -> tuple[int, float]:
    """Bytes that it has yet to replay, and seconds since the last commit that it has."""
    asked: Any = standby.execute(
        """SELECT pg_wal_lsn_diff(%s::pg_lsn, pg_last_wal_replay_lsn())::bigint,
             coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float8""",
        (reached,),
    ).fetchone()
    missing, age = asked
    return missing, age
