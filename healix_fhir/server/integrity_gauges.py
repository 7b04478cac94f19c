"""What the last check of the stored images found, as gauges at `/metrics`: for an alarm when an image is damaged, and
when no check has ended for long.
"""

from __future__ import annotations

import asyncio

import psycopg
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from healix_fhir.kernel.database import Row

PATIENCE = 2.0

_STATE = """
SELECT (SELECT count(*) FROM damaged_instance), c.begun, c.finished, c.checked, c.repaired
FROM (VALUES (1)) one LEFT JOIN LATERAL (
  SELECT extract(epoch FROM begun)::float8 AS begun, extract(epoch FROM finished)::float8 AS finished, checked, repaired
  FROM integrity_check ORDER BY finished DESC NULLS LAST, id DESC LIMIT 1) c ON true"""

GAUGES = (
    ("damaged_instances", "stored instances that are missing or damaged, as far as is known"),
    ("last_check_started_seconds", "when the last check of stored images that has ended, or else the first one, began"),
    ("last_check_finished_seconds", "when it ended; 0 until then"),
    ("last_check_instances", "instances that it read"),
    ("last_check_repaired_instances", "instances that it repaired from the other tier"),
)


async def integrity(pool: AsyncConnectionPool[AsyncConnection[Row]]) -> bytes:
    """The gauges in Prometheus' text format; nothing while the database does not answer."""
    try:
        async with asyncio.timeout(PATIENCE), pool.connection(timeout=PATIENCE) as connection:
            cursor = await connection.execute(_STATE)
            rows = await cursor.fetchall()
    except (psycopg.Error, PoolTimeout, TimeoutError, OSError):
        return b""
    registry = CollectorRegistry()
    for (name, help_), value in zip(GAUGES, rows[0], strict=True):
        Gauge(f"healix_integrity_{name}", help_, registry=registry).set(value or 0)
    return generate_latest(registry)
