"""Searches, reads and changes in whole tables and in hash partitions, and how long it takes to divide them.

`HEALIX_BENCH_RESOURCES` sets how many Observations there are (default 10,000,000: 13 GB, and as much again while they
are divided), `HEALIX_BENCH_PARTS` into how many parts the tables are divided (default 8), `HEALIX_BENCH_DIR` a folder
where the database is kept for the next run. Every patient has 500 Observations. Milliseconds are of the processor that
the database's process takes, planning with it: others who keep the machine busy hardly change them.
"""

from __future__ import annotations

import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from healix_fhir.kernel import embedded
from healix_fhir.kernel.database import at_once, open_pool
from healix_fhir.server.migrate import migrate
from healix_fhir.server.partition import convert
from healix_fhir.store.read import Ask, read_each
from tests.bench.test_million import CODE, GOALS, OTHERS
from tests.support import scale
from tests.support.running import running
from tests.support.search import EVERYONE, Clinic

MANY = int(os.environ.get("HEALIX_BENCH_RESOURCES", "10000000"))
PARTS = int(os.environ.get("HEALIX_BENCH_PARTS", "8"))
EACH = 500
ROUNDS = 9
SETTINGS = ("fsync = off", "autovacuum = off", "max_wal_size = '6GB'", "checkpoint_timeout = '30min'")
"""What filling a database needs; no search reads any of it."""
FILLED = ("resource", "index_token", "index_reference", "index_string")
_INDEXES = """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i
WHERE indrelid = ANY(%s::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)"""
OWN = {"own, newest 50": "Observation?_count=50", "own, code, newest 50": f"Observation?{CODE}&_count=50"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with so many Observations, in whole tables unless it is kept and was divided."""
    kept = os.environ.get("HEALIX_BENCH_DIR")
    server = embedded.start(Path(kept) if kept else tmp_path_factory.mktemp("partitions"))
    name = f"scale_{MANY}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in SETTINGS:
            connection.execute(f"ALTER SYSTEM SET {setting}".encode())
        connection.execute("SELECT pg_reload_conf()")
        there = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if there is None:
            connection.execute(f"CREATE DATABASE {name}".encode())
    if there is None:
        _fill(server.get_uri(database=name))
    yield server.get_uri(database=name)
    server.cleanup()


def _fill(url: str) -> None:
    """Rows first, and their indexes then."""
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        indexes = connection.execute(_INDEXES, (list(FILLED),)).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}".encode())
        with open_pool(url, size=1) as pool, pytest.MonkeyPatch.context() as patched:
            patched.setattr(scale, "BODY", scale.BODY[:200])
            scale.fill(Clinic(pool), patients=max(20, MANY // EACH), observations=MANY)
        for _, made in indexes:
            connection.execute(made.encode())
        for name in FILLED:
            connection.execute(f"VACUUM (ANALYZE) {name}".encode())


def _acts(clinic: Clinic) -> dict[str, Callable[[int], object]]:
    one = clinic.run("SELECT left(md5('p7'), 12)")[0][0]
    alone = clinic.looked(clinic.access("patient/*.rs", patient="p7"))
    acts: dict[str, Callable[[int], object]] = {}
    for name, address in {**GOALS, **OTHERS}.items():
        if name != "a patient's by subject and date":
            acts[name] = lambda _, address=address: clinic.page(address.format(one=one))  # type: ignore[misc]
    for name, address in OWN.items():
        acts[name] = lambda _, address=address: clinic.page(address, alone)  # type: ignore[misc]
    acts["a read"] = lambda n: at_once(clinic.pool, read_each([_ask(n)]))
    acts["16 reads at once"] = lambda n: at_once(clinic.pool, read_each([_ask(16 * n + k) for k in range(16)]))
    acts["a change"] = lambda n: clinic.put(_changed(n))
    return acts


def _ask(n: int) -> Ask:
    return Ask(EVERYONE, "Observation", f"o{n * 7919 % MANY + 1}")


def _changed(n: int) -> dict[str, object]:
    code = {"coding": [{"system": scale.LOINC, "code": "code-3"}]}
    about = {"reference": f"Patient/p{n + 1}"}
    return {
        "resourceType": "Observation", "id": f"change-{n % 3}", "status": "final", "code": code, "subject": about,
        "effectiveDateTime": "2020-01-01T10:00:00Z",
    }  # fmt: skip


def _spent(url: str) -> dict[str, float]:
    """Milliseconds of the database's processor by what is done, medians of rounds."""
    with open_pool(url, size=1) as pool:
        clinic = Clinic(pool)
        process = int(clinic.run("SELECT pg_backend_pid()")[0][0])
        acts = _acts(clinic)
        times: dict[str, list[float]] = {name: [] for name in acts}
        for number in range(ROUNDS):
            for name, act in acts.items():
                before = running(process)
                act(number)
                times[name].append((running(process) - before) / 1e6)
    return {name: statistics.median(found) for name, found in times.items()}


@pytest.mark.bench
@pytest.mark.timeout(7200)
def test_whole_and_in_parts(url: str) -> None:
    """What dividing takes, and what things cost before and after; plans read ranges of indexes."""
    with psycopg.connect(url, autocommit=True) as connection:
        if convert.divided(connection):
            pytest.skip("the kept database is divided already: HEALIX_BENCH_DIR")
    before = _spent(url)
    began = last = time.monotonic()
    kinds: dict[str, float] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        convert.prepare(connection, PARTS)
        for step in convert.convert(connection):
            kind, now = step.what.split(" ")[0], time.monotonic()
            kinds[kind] = kinds.get(kind, 0) + now - last
            last = now
    print(f"\n{MANY:,} resources into {PARTS} parts: {last - began:.0f} s, of these", end=" ")
    print(", ".join(f"{kind} {seconds:.0f} s" for kind, seconds in kinds.items()))
    after = _spent(url)
    print(f"{'processor ms':36}{'whole':>10}{'parts':>10}")
    for name, spent in before.items():
        print(f"{name:36}{spent:10.2f}{after[name]:10.2f}")
    with open_pool(url, size=1) as pool:
        _look_at_plans(Clinic(pool))


def _look_at_plans(clinic: Clinic) -> None:
    """Within a record one part of the index is read, by type an index of each; nothing is read from end to end."""
    own = clinic.looked(clinic.access("patient/*.rs", patient="p7"))
    plans = {name: clinic.explain(address, own) for name, address in OWN.items()}
    plans |= {name: clinic.explain(GOALS[name]) for name in ("code, newest 50", "include of 50")}
    for name, plan in plans.items():
        ran = [line for line in plan.splitlines() if "never executed" not in line]
        parts = sorted({part for line in ran for part in re.findall(r" on (\w+_\d+) ", line)})
        took = [line.strip() for line in ran if line.startswith(("Planning Time", "Execution Time"))]
        print(name, len(parts), "parts:", *parts, *took)
        assert not [line for line in ran if re.search(r"Seq Scan on (resource_\d|index_)", line)], plan
        indexes = {part for part in parts if part.startswith("index_token")}
        assert len(indexes) == {"own, newest 50": 0, "own, code, newest 50": 1}.get(name, PARTS), plan
