"""Searches over a million resources, beside the same over ten thousand: a page's cost must not grow with the store.

`HEALIX_BENCH_RESOURCES` sets how many there are (default 1,000,000), `HEALIX_BENCH_DIR` a folder where the databases
are kept for the next run. Every patient has 500 Observations at either size. Milliseconds are of the whole use case:
reading the parameters, the statements, the rows.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg
import pytest

from healix_fhir.kernel import embedded
from healix_fhir.kernel.database import open_pool
from healix_fhir.server.migrate import migrate
from smart_auth.access import AccessContext
from tests.support.running import running
from tests.support.scale import RARE, fill
from tests.support.search import EVERYONE, Clinic

MANY = int(os.environ.get("HEALIX_BENCH_RESOURCES", "1000000"))
FEW = 10_000
EACH = 500
CARED = 200
ROUNDS = 25
GOAL_MS = 5.0
GROWTH = 3.0
ADDED = 1.1
COMPARED = 80
"""Rounds that tell a tenth on a busy machine."""
CODE = "code=http://loinc.org|code-3"
GOALS = {
    "patient + code + date, newest 50": f"Observation?patient=p7&{CODE}&date=ge2020&_count=50",
    "code, newest 50": f"Observation?{CODE}&_count=50",
    "string prefix, 50": "Patient?family=a1&_count=50",
    "chain to one patient, 50": "Observation?subject:Patient.family={one}&_count=50",
    "chain to many patients, 50": "Observation?subject:Patient.family=a&_count=50",
    "code + chain to one patient, 50": f"Observation?{CODE}&patient.family={{one}}&_count=50",
    "_has of a frequent code, 50": "Patient?_has:Observation:patient:code=code-3&_count=50",
    "_has of a rare code, 50": f"Patient?_has:Observation:patient:code={RARE}&_count=50",
    "include of 50": f"Observation?{CODE}&_count=50&_include=Observation:subject",
    "reverse include of 50": "Patient?_id=p7&_revinclude=Observation:performer",
    "reverse include of 500": "Patient?_id=p7&_revinclude=Observation:patient",
    "count of patient + code": f"Observation?patient=p7&{CODE}&_summary=count",
}
OTHERS = {
    "two codes, newest 50": "Observation?code=code-3,code-4&_count=50",
    "patients by family, 50": "Patient?_sort=family&_count=50",
    "last changed, 50": "Observation?_sort=-_lastUpdated&_count=50",
    "a code, last changed, 50": f"Observation?{CODE}&_sort=-_lastUpdated&_count=50",
    "a patient's by subject and date": "Observation?patient=p7&_sort=subject,-date&_count=50",
    "everything, newest 50": "?_count=50",
    "a compartment, newest 50": "Patient/p7/*?_count=50",
    "count of a code": f"Observation?{CODE}&_summary=count",
    "estimate of a code": f"Observation?{CODE}&_total=estimate&_count=1",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL as it is embedded, in the kept folder if there is one."""
    kept = os.environ.get("HEALIX_BENCH_DIR")
    running = embedded.start(Path(kept) if kept else tmp_path_factory.mktemp("million"))
    yield running.get_uri()
    running.cleanup()


def _filled(server: str, size: int) -> str:
    """The URL of a database with `size` Observations, made if it is not there."""
    name = f"scale_{size}"
    url = server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is not None:
            return url
        connection.execute(f"CREATE DATABASE {name}")
    migrate(url)
    with open_pool(url, size=1) as pool:
        fill(Clinic(pool), patients=size // EACH, observations=size)
    return url


@pytest.fixture(scope="module")
def million(server: str) -> Iterator[Clinic]:
    """The large store."""
    with open_pool(_filled(server, MANY), size=1) as pool:
        yield Clinic(pool)


@pytest.fixture(scope="module")
def thousands(server: str) -> Iterator[Clinic]:
    """The small store."""
    with open_pool(_filled(server, FEW), size=1) as pool:
        yield Clinic(pool)


def _family(clinic: Clinic) -> str:
    """The name of one patient."""
    return str(clinic.run("SELECT left(md5('p7'), 12)")[0][0])


def _medians(clinic: Clinic, searches: dict[str, str], access: AccessContext) -> dict[str, float]:
    """Milliseconds of each search, in interleaved rounds."""
    one = _family(clinic)
    times: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(ROUNDS):
        for name, address in searches.items():
            start = time.perf_counter()
            clinic.page(address.format(one=one), access)
            times[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(found) for name, found in times.items()}


def _bound(clinic: Clinic) -> tuple[AccessContext, AccessContext]:
    """What the app of a patient sees, and what a clinician of some of the patients does."""
    clinic.run("TRUNCATE care_relationship")
    clinic.run(
        "INSERT INTO care_relationship (practitioner, pat, source) SELECT 'd', pat, 's' FROM patient_key"
        " ORDER BY pat LIMIT %s",
        (CARED,),
    )
    clinic.run("ANALYZE care_relationship")
    alone, cared = clinic.access("patient/*.rs", patient="p7"), clinic.access("user/*.rs", practitioner="d")
    return clinic.looked(alone), clinic.looked(cared)


@pytest.mark.bench
def test_a_page_costs_the_same_of_a_million_as_of_ten_thousand(million: Clinic, thousands: Clinic) -> None:
    """Each search of the list: at most 5 ms, and at most three times what it takes at ten thousand."""
    searches = GOALS | OTHERS
    large, small = (_medians(clinic, searches, EVERYONE) for clinic in (million, thousands))
    alone, cared = (_medians(million, GOALS, access) for access in _bound(million))
    print(f"\n{'median ms':36}{FEW:>10,}{MANY:>12,}  one patient  clinician of {CARED}")
    for name in searches:
        own = f"{alone[name]:13.2f}{cared[name]:18.2f}" if name in GOALS else ""
        print(f"{name:36}{small[name]:10.2f}{large[name]:12.2f}{own}")
    slow = {name: large[name] for name in GOALS if large[name] > GOAL_MS}
    grown = {name: large[name] / small[name] for name in GOALS if large[name] > GROWTH * small[name]}
    assert (slow, grown) == ({}, {})


def _spent(clinic: Clinic, callers: dict[str, AccessContext]) -> dict[str, dict[str, float]]:
    """Processor milliseconds of the server and of this process by search and caller, medians of interleaved rounds.

    Others who keep the machine busy hardly change them.
    """
    one = _family(clinic)
    server = int(clinic.run("SELECT pg_backend_pid()")[0][0])
    times: dict[str, dict[str, list[float]]] = {name: {caller: [] for caller in callers} for name in GOALS}
    for _ in range(COMPARED):
        for name, address in GOALS.items():
            for caller, access in callers.items():
                before = running(server) + time.process_time_ns()
                clinic.page(address.format(one=one), access)
                times[name][caller].append((running(server) + time.process_time_ns() - before) / 1e6)
    return {name: {caller: statistics.median(found) for caller, found in by.items()} for name, by in times.items()}


@pytest.mark.bench
def test_the_access_predicate_adds_a_tenth_at_most(million: Clinic) -> None:
    """A patient's app, and a clinician of one patient in ten, search as fast as who sees everything."""
    alone, cared = _bound(million)
    spent = _spent(million, {"system": EVERYONE, "patient": alone, "clinician": cared})
    ratios = {name: {caller: ms / by["system"] for caller, ms in by.items()} for name, by in spent.items()}
    print(f"\n{'CPU ms':36}{'system':>8}{'one patient':>20}{f'clinician of {CARED}':>20}")
    for name, by in spent.items():
        own = "".join(f"{by[who]:13.2f} ({ratios[name][who]:.2f})" for who in ("patient", "clinician"))
        print(f"{name:36}{by['system']:8.2f}{own}")
    added = {(name, who): round(ratio, 2) for name, by in ratios.items() for who, ratio in by.items() if ratio > ADDED}
    assert added == {}


@pytest.mark.bench
def test_the_last_page_costs_what_the_first_does(million: Clinic) -> None:
    """Paging to the end of a tenth of the store takes constant time a page."""
    times: list[float] = []
    pages = million.pages(f"Observation?{CODE}&_count=1000")
    start = time.perf_counter()
    found = 0
    for page in pages:
        times.append((time.perf_counter() - start) * 1000)
        found += len(page.entries)
        start = time.perf_counter()
    first, last = (statistics.median(list(islice(part, 20))) for part in (times, reversed(times)))
    print(f"\n{found:,} matches in {len(times)} pages of 1,000: first {first:.1f} ms, last {last:.1f} ms a page")
    assert found == MANY // 10
    assert last < 2 * first
