"""Searches over many Observations, in milliseconds of the whole use case (parse, statements, rows).

`HEALIX_BENCH_RESOURCES` sets how many there are (default 100,000).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator

import psycopg
import pytest

from healix_fhir.kernel.database import open_pool
from smart_auth.access import AccessContext
from tests.support.scale import fill
from tests.support.search import EVERYONE, Clinic

SIZE = int(os.environ.get("HEALIX_BENCH_RESOURCES", "100000"))
ROUNDS = 30
CODE = "code=http://loinc.org|code-3"
SEARCHES = {
    "patient + code + date, newest 50": f"Observation?patient=p7&{CODE}&date=ge2020&_count=50",
    "patient + code + date, oldest 50": f"Observation?patient=p7&{CODE}&date=ge2020&_sort=date&_count=50",
    "patient, newest 50": "Observation?patient=p7&_count=50",
    "code, newest 50": f"Observation?{CODE}&_count=50",
    "two codes, newest 50": "Observation?code=code-3,code-4&_count=50",
    "code + date, newest 50": f"Observation?{CODE}&date=ge2020&_count=50",
    "string prefix, 50": "Patient?family=a1&_count=50",
    "include of 50": f"Observation?{CODE}&_count=50&_include=Observation:subject",
    "count of a code": f"Observation?{CODE}&_summary=count",
    "count of patient + code": f"Observation?patient=p7&{CODE}&_summary=count",
}


@pytest.fixture(scope="module")
def scaled(postgres_url: str) -> Iterator[Clinic]:
    """The Observations, 2,000 to a patient."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench_search TEMPLATE template_healix")
    with open_pool(postgres_url.replace("/postgres?", "/bench_search?"), size=1) as pool:
        clinic = Clinic(pool)
        fill(clinic, patients=max(50, SIZE // 2000), observations=SIZE)
        yield clinic
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE bench_search WITH (FORCE)")


def _once(clinic: Clinic, address: str, access: AccessContext) -> float:
    start = time.perf_counter()
    clinic.page(address, access)
    return (time.perf_counter() - start) * 1000


@pytest.mark.bench
def test_searches(scaled: Clinic) -> None:
    """Median milliseconds of each search, for a system token and a patient's, in interleaved rounds."""
    callers = {"system": EVERYONE, "patient": scaled.access("patient/*.rs", patient="p7")}
    times: dict[tuple[str, str], list[float]] = {(name, who): [] for name in SEARCHES for who in callers}
    for _ in range(ROUNDS):
        for (name, who), found in times.items():
            found.append(_once(scaled, SEARCHES[name], callers[who]))
    print(f"\n{SIZE:,} Observations; median ms")
    for name in SEARCHES:
        print(f"{name:36}", *(f"{who} {statistics.median(times[name, who]):7.2f}" for who in callers))
    assert all(statistics.median(measured) < 1000 for measured in times.values())
