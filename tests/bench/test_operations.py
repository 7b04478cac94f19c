"""$everything and $lastn of a patient with 2,000 resources among many others, in milliseconds of the whole use case."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Iterator

import msgspec
import psycopg
import pytest

from healix_fhir.interaction.service import Interactions
from healix_fhir.kernel.database import open_async_pool, open_pool
from healix_fhir.operation.invocation import Invocation
from smart_auth.access import AccessContext
from tests.support.operation import run
from tests.support.scale import fill
from tests.support.search import BASE, EVERYONE, Clinic

SIZE = int(os.environ.get("HEALIX_BENCH_RESOURCES", "100000"))
ROUNDS = 30
CALLS = {
    "everything, first page of 250": ("everything", Invocation((), b"", "Patient", "p7", method="GET")),
    "everything, 1000": ("everything", Invocation((("_count", "1000"),), b"", "Patient", "p7", method="GET")),
    "everything, whole": (
        "everything",
        Invocation((("_count", "1000"), ("_type", "Patient,Organization")), b"", "Patient", "p7", method="GET"),
    ),
    "lastn of every code": (
        "lastn",
        Invocation((("patient", "p7"), ("code:missing", "false")), b"", "Observation", method="GET"),
    ),
    "lastn of one code, 5": (
        "lastn",
        Invocation((("patient", "p7"), ("code", "code-3"), ("max", "5")), b"", "Observation", method="GET"),
    ),
}

WITH_CODES = """UPDATE resource SET body = convert_to(json_build_object('resourceType', 'Observation', 'id', id,
  'status', 'final', 'code', json_build_object('coding', json_build_array(json_build_object('system',
  'http://loinc.org', 'code', 'code-' || pk % 40))), 'note', json_build_array(json_build_object('text',
  repeat('a', 900))))::text, 'UTF8') WHERE pat = (SELECT pat FROM patient_key WHERE id = 'p7') AND d IS NOT NULL"""
"""Bodies of about a kilobyte with 40 codes; those that are filled in are alike."""


@pytest.fixture(scope="module")
def scaled(postgres_url: str) -> Iterator[tuple[str, AccessContext]]:
    """The database, 2,000 Observations to a patient, and a patient's access."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench_operations TEMPLATE template_healix")
    url = postgres_url.replace("/postgres?", "/bench_operations?")
    with open_pool(url, size=1) as pool:
        clinic = Clinic(pool)
        fill(clinic, patients=max(50, SIZE // 2000), observations=SIZE)
        with pool.connection() as connection:
            connection.execute(WITH_CODES)
        bound = clinic.access("patient/*.rs", patient="p7")
    yield url, bound
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE bench_operations WITH (FORCE)")


async def _measured(url: str, bound: AccessContext) -> dict[tuple[str, str], list[float]]:
    pool = await open_async_pool(url, size=2)
    server = Interactions(pool, (BASE,))
    times: dict[tuple[str, str], list[float]] = {}
    try:
        for _ in range(ROUNDS):
            for who, access in (("system", EVERYONE), ("patient", bound)):
                for name, (operation, call) in CALLS.items():
                    start = time.perf_counter()
                    await run(operation, server, access, msgspec.structs.replace(call))
                    times.setdefault((name, who), []).append((time.perf_counter() - start) * 1000)
    finally:
        await pool.close()
    return times


@pytest.mark.bench
def test_operations(scaled: tuple[str, AccessContext]) -> None:
    """Median milliseconds for a system token and a patient's, in interleaved rounds; a first page within 30."""
    times = asyncio.run(_measured(*scaled))
    print(f"\n{SIZE:,} Observations, 2,000 of the patient; median ms")
    for name in CALLS:
        print(f"{name:32}", *(f"{who} {statistics.median(times[name, who]):7.2f}" for who in ("system", "patient")))
    assert all(statistics.median(times["everything, first page of 250", who]) < 30 for who in ("system", "patient"))
