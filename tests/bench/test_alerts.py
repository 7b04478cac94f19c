"""Alert rules: what the consumer takes of each reading with a hundred rules, and how soon an alert is there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from healix_fhir.care.alerts import watch
from healix_fhir.care.alerts.clinic import Clinic
from healix_fhir.kernel.consume import Consumers, drain
from healix_fhir.kernel.database import open_pool
from healix_fhir.kernel.settings import Settings
from healix_fhir.server.composition import consumers
from tests.bench.web_servers import database, healix
from tests.support.alerts import action, condition, looking_back, plan, reading
from tests.support.search import BASE
from tests.support.search import Clinic as Store

pytestmark = pytest.mark.bench

RULES, READINGS, PATIENTS, GROUP, LIMITED = 100, 20_000, 200, 500, 4
CODES = ("8867-4", "2708-6", "9279-1", "8310-5", "29463-7", "8302-2", "39156-5", "2339-0", "55423-8", "93832-4")
AT_LEAST = 5000
WITHIN = 1.0
Json = dict[str, Any]


def rules() -> list[Json]:
    """Ten rules for each code: limits with their ends, and a combination; for the later codes a trend too."""
    found = []
    for number, code in enumerate(CODES):
        limits = [
            action(
                condition(f"value > {500 + n} '/min'"),
                condition(f"value < {400 + n} '/min'", "stop"),
                code=code,
                id=f"l{n}",
            )
            for n in range(9 if number < LIMITED else 8)
        ]
        both = action(
            condition("value > 300 '/min' and %other.exists(value < 20 '/min')"),
            code=code, id="both", input=[looking_back("other", 1, CODES[0])],
        )  # fmt: skip
        trend = action(
            condition("%day.last().value - %day.first().value > 300 '/min'"),
            code=code, id="trend", input=[looking_back("day", 1, code)],
        )  # fmt: skip
        actions = [*limits, both] if number < LIMITED else [*limits, both, trend]
        found.append(plan(*actions, id=f"r{code}", url=f"http://bench.test/{code}"))
    assert sum(len(one["action"]) for one in found) == RULES
    return found


def test_evaluation(tmp_path: Path) -> None:
    """At least 5,000 readings a second are looked at with ten limits for their code; one in a thousand raises alerts.

    Beside that, what it is with a trend for each, which looks back at up to a hundred readings of the day; and what the
    outbox takes of all consumers.
    """
    with ExitStack() as stack:
        url = stack.enter_context(database(tmp_path))
        pool = stack.enter_context(open_pool(url, size=2))
        store = Store(pool)
        ours: Consumers = {"resource": (watch.consumer(Clinic((BASE,), UTC)),)}
        settings = Settings(data_dir=tmp_path, database_url=url, base_url=BASE.removesuffix("/fhir"))
        everything = consumers(settings)
        store.put(*rules(), *({"resourceType": "Patient", "id": f"p{n}"} for n in range(PATIENTS)))
        _drained(url, ours)
        begin = datetime.now(UTC) - timedelta(hours=20)
        for name, used, codes in (
            ("limits", ours, CODES[:LIMITED]),
            ("trends", ours, CODES[LIMITED : 2 * LIMITED]),
            ("limits, all consumers", everything, CODES[:LIMITED]),
        ):
            for start in range(0, READINGS, GROUP):
                store.put(*(_reading(f"{len(name)}-{n}", n, begin, codes) for n in range(start, start + GROUP)))
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ANALYZE")
            seconds = _drained(url, used)
            ((raised,),) = store.run("SELECT count(*) FROM alert_state WHERE phase = 'open'")
            print(f"\nevents a second, {name}: {READINGS / seconds:.0f}; alerts {raised}", end="", flush=True)
            if name == "limits":
                assert READINGS / seconds >= AT_LEAST


def _reading(id_: str, number: int, begin: datetime, codes: Sequence[str]) -> Json:
    value = 600 if number % 1000 == 999 else 50 + number % 60
    at = begin + timedelta(seconds=3 * number)
    return reading(id_, value, at.replace(microsecond=0), f"p{number % PATIENTS}", codes[number % LIMITED])


def _drained(url: str, used: Consumers) -> float:
    started = time.monotonic()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        while drain(connection, used):
            pass
    return time.monotonic() - started


def test_time_to_alert(tmp_path: Path) -> None:
    """From the answer to a reading to its DetectedIssue it takes less than a second."""
    with ExitStack() as stack:
        url = stack.enter_context(database(tmp_path))
        served = stack.enter_context(healix(url, tmp_path, workers=1))
        base = f"http://127.0.0.1:{served.port}/fhir"
        client = stack.enter_context(httpx.Client(headers=served.headers, timeout=30))
        connection = stack.enter_context(psycopg.connect(url, autocommit=True))
        for one in [*rules(), *({"resourceType": "Patient", "id": f"p{n}"} for n in range(120))]:
            client.put(f"{base}/{one['resourceType']}/{one['id']}", json=one).raise_for_status()
        _until(connection, "SELECT count(*) >= 10 FROM alert_rule WHERE plans <> ''")
        taken = []
        for n in range(120):
            now = datetime.now(UTC).replace(microsecond=0)
            client.post(f"{base}/Observation", json=reading("x", 505.5, now, f"p{n}")).raise_for_status()
            started = time.monotonic()
            _until(connection, f"SELECT count(DISTINCT pat) > {n} FROM alert_state WHERE issue IS NOT NULL")
            taken.append(time.monotonic() - started)
        taken = sorted(taken[20:])  # the first ones warm up
        p50, p99 = statistics.median(taken), taken[98]
        print(f"\nfrom answer to alert: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms", end="")
        assert p99 < WITHIN


def _until(connection: psycopg.Connection[Any], sql: str) -> None:
    while not connection.execute(sql.encode()).fetchall()[0][0]:
        time.sleep(0.002)
