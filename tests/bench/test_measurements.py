"""Readings of wearables: how many a second one call of $ingest-measurements keeps; how fast trends are answered."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import psycopg
import pytest

from healix_fhir.care import daily, glance
from healix_fhir.kernel import clock
from healix_fhir.kernel.consume import drain
from tests.bench.web_servers import database, healix

pytestmark = pytest.mark.bench

READINGS, ROUNDS = 20_000, 5
AT_LEAST = 5000


def table(day: int) -> bytes:
    """Readings of four metrics of one device, one each few seconds of a day of its own."""
    metrics = (("heart-rate", 60), ("oxygen-saturation", 97), ("steps", 12), ("temperature", 36.6))
    lines = ["device,metric,time,value"]
    for number in range(READINGS // len(metrics)):
        time_ = (
            f"2025-{day // 28 + 1:02}-{day % 28 + 1:02}T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
        )
        lines += [f"watch,{metric},{time_},{value}" for metric, value in metrics]
    return "\n".join(lines).encode()


def test_ingest(tmp_path: Path) -> None:
    """At least 5,000 readings a second become validated, indexed, audited Observations."""
    with ExitStack() as stack:
        url = stack.enter_context(database(tmp_path))
        served = stack.enter_context(healix(url, tmp_path, workers=1))
        base = f"http://127.0.0.1:{served.port}/fhir"
        client = stack.enter_context(httpx.Client(headers=served.headers, timeout=120))
        client.put(f"{base}/Patient/ada", json={"resourceType": "Patient", "id": "ada"}).raise_for_status()
        watch = {"resourceType": "Device", "id": "watch", "patient": {"reference": "Patient/ada"}}
        client.put(f"{base}/Device/watch", json=watch).raise_for_status()
        rates: dict[str, list[float]] = {"created": [], "known": []}
        for day in range(ROUNDS + 1):  # the first one warms up
            for outcome in rates:
                started = time.monotonic()
                answer = client.post(
                    f"{base}/$ingest-measurements", content=table(day), headers={"Content-Type": "text/csv"}
                )
                rate = READINGS / (time.monotonic() - started)
                counts = {part["name"]: part.get("valueInteger") for part in answer.json()["parameter"]}
                assert counts[outcome] == READINGS
                rates[outcome] += [rate] if day else []
    medians = {outcome: statistics.median(found) for outcome, found in rates.items()}
    print("\nreadings a second:", {outcome: round(rate) for outcome, rate in medians.items()}, end="")
    assert medians["created"] >= AT_LEAST


def test_trends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trends of a patient with 2,000 readings are answered within 30 ms."""
    monkeypatch.setattr(daily, "LATER", 0)
    monkeypatch.setattr(daily, "REST", 0)
    with ExitStack() as stack:
        url = stack.enter_context(database(tmp_path))
        served = stack.enter_context(healix(url, tmp_path, workers=1))
        base = f"http://127.0.0.1:{served.port}/fhir"
        client = stack.enter_context(httpx.Client(headers=served.headers, timeout=120))
        client.put(f"{base}/Patient/ada", json={"resourceType": "Patient", "id": "ada"}).raise_for_status()
        watch = {"resourceType": "Device", "id": "watch", "patient": {"reference": "Patient/ada"}}
        client.put(f"{base}/Device/watch", json=watch).raise_for_status()
        metrics = (("heart-rate", 60), ("oxygen-saturation", 97), ("weight", 70), ("temperature", 36.6))
        now = clock.now()
        lines = [
            {"device": "watch", "metric": name, "time": clock.instant(now - timedelta(hours=4 * n)), "value": value}
            for n in range(500)
            for name, value in metrics
        ]
        client.post(f"{base}/$ingest-measurements", json=lines).raise_for_status()
        made = {
            "resource": [daily.marker(None), glance.consumer(daily.onlooker(None))],
            daily.TOPIC: [daily.consumer(None, (base,))],
        }
        with psycopg.connect(url, autocommit=True) as connection:
            while drain(connection, made):
                pass
        taken = []
        for _ in range(220):
            started = time.monotonic()
            answer = client.get(f"{base}/Observation/$trends?patient=ada")
            taken.append((time.monotonic() - started) * 1000)
        assert len(answer.json()["parameter"]) == len(metrics)
    middle, slow = statistics.median(taken[20:]), sorted(taken[20:])[189]
    print(f"\n$trends of 2,000 readings: {middle:.1f} ms, 95 % within {slow:.1f} ms", end="")
    assert middle < 30
