"""When a run may begin that makes custom parameters searchable: once nobody writes index rows without them any more.

A process that does not know of a parameter yet holds the lock on an older generation. When the last such lock is gone,
a while passes in which what those processes had in hand reaches the database, and in which one that has lost its
connection connects again; then every transaction that had begun by then must end.
"""

from __future__ import annotations

from healix_fhir.kernel.database import Statement, Work
from healix_fhir.store.custom_parameters import LOCK

WHILE = 2.0
"""Seconds; more than `server.parameter_watch.AGAIN`."""


def settled(run_id: int) -> Work[bool]:
    """Whether a waiting run may begin; each look takes it a step on. Its row is locked."""
    rows = yield Statement(
        """SELECT r.settled + make_interval(secs => %s) <= now(), r.barrier,
             EXISTS (SELECT FROM custom_parameter p WHERE NOT p.searchable),
             EXISTS (SELECT FROM pg_locks k WHERE k.locktype = 'advisory' AND k.classid::bigint = %s AND k.objsubid = 2
                       AND k.objid::bigint BETWEEN 1 AND r.generation
                       AND k.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
           FROM reindexing r WHERE r.id = %s""",
        (WHILE, LOCK, run_id),
    )
    over, barrier, needed, behind = rows[0]
    if not needed:
        return True
    if behind:
        yield Statement("UPDATE reindexing SET settled = NULL, barrier = NULL WHERE id = %s", (run_id,))
    elif over is None:
        yield Statement("UPDATE reindexing SET settled = now() WHERE id = %s", (run_id,))
    elif over and barrier is None:
        yield Statement("UPDATE reindexing SET barrier = pg_current_xact_id()::text::bigint WHERE id = %s", (run_id,))
    elif over:
        rows = yield Statement("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint > %s", (barrier,))
        return bool(rows[0][0])
    return False
