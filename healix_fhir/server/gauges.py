"""What is so at the moment, for `/metrics`: queues, jobs, the database, and what the last check of the images found.

The database is asked with one statement when somebody asks, so the gauges are those of all nodes, whichever is asked.
"""

from __future__ import annotations

import asyncio

import psycopg
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from healix_fhir.kernel.database import Row
from healix_fhir.server.metrics import GAUGES, UP

PATIENCE = 2.0
_ARMS = (
    f"SELECT {number}, {'x.label' if gauge.metric.labels else 'NULL'}, x.value::float8 FROM ({gauge.sql}) x"
    f" ({'label, ' if gauge.metric.labels else ''}value)"
    for number, gauge in enumerate(GAUGES)
)
_STATE = " UNION ALL ".join(_ARMS)


async def gauges(pool: AsyncConnectionPool[AsyncConnection[Row]]) -> bytes:
    """The gauges in Prometheus' text format; `healix_database_up` alone while the database does not answer."""
    registry = CollectorRegistry()
    up = Gauge(UP.name, UP.meaning, registry=registry)
    try:
        async with asyncio.timeout(PATIENCE), pool.connection(timeout=PATIENCE) as connection:
            rows = await (await connection.execute(_STATE)).fetchall()
    except (psycopg.Error, PoolTimeout, TimeoutError, OSError):
        return generate_latest(registry)
    up.set(1)
    shown = [Gauge(one.metric.name, one.metric.meaning, one.metric.labels, registry=registry) for one in GAUGES]
    for number, label, value in rows:
        (shown[number].labels(label) if label is not None else shown[number]).set(value)
    return generate_latest(registry)
