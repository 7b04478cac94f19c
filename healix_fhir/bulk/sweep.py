"""Clearing away the files of bulk jobs whose time is over, and what a crash or a late worker left of others."""

from __future__ import annotations

from psycopg import Connection
from psycopg_pool import ConnectionPool

from healix_fhir.bulk import job as jobs
from healix_fhir.bulk.store import FileStore
from healix_fhir.kernel.database import Row, transaction

SWEEP = "bulk.sweep"
STALE = 24 * 3600.0
"""Seconds after which nothing that belongs to no job can still be on its way."""


def clear(pool: ConnectionPool[Connection[Row]], store: FileStore, id_: str) -> None:
    """Remove the files of a job that is over, then what is noted of it."""
    store.remove(id_)
    transaction(pool, lambda: jobs.forget(id_))


def sweep(pool: ConnectionPool[Connection[Row]], store: FileStore) -> int:
    """Clear away all that is over; how many jobs that were."""
    removed = 0
    while batch := transaction(pool, jobs.over):
        for id_ in batch:
            clear(pool, store, id_)
        removed += len(batch)
    stray = list(store.jobs(STALE))
    kept = transaction(pool, lambda: jobs.known(stray))
    for id_ in stray:
        if id_ not in kept:
            store.remove(id_)
            removed += 1
    return removed
