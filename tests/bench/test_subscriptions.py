"""Subscriptions: how long a receiver waits after a commit beside a thousand others, and what a worker does a second.

`pytest -m bench -s tests/bench/test_subscriptions.py`
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from healix_fhir.kernel.consume import drain
from healix_fhir.kernel.database import open_pool
from healix_fhir.subscription.notify import consumer
from tests.integration.subscription.conftest import Notified, observation
from tests.integration.subscription.test_killed_worker import worker
from tests.support.receiver import Receiver, receiving
from tests.support.search import BASE
from tests.support.topics import to_topic, told

pytestmark = pytest.mark.bench

SUBSCRIPTIONS = 1000
CHANGES, EVERY = 200, 0.05
BATCH = 500


@pytest.fixture
def clinic(durable_url: str) -> Iterator[Notified]:
    """A store of its own."""
    with open_pool(durable_url, size=2) as pool:
        yield Notified(pool)


def test_matching_latency_and_fan_out(clinic: Notified, durable_url: str, tmp_path: Path) -> None:
    """Who asks for one patient's readings is found among a thousand by an index."""
    alone = _matched(clinic, "before")
    for n in range(SUBSCRIPTIONS):
        asked = to_topic(channel={"type": "websocket"}, filter=f"Observation?patient=p{n}")
        clinic.write(asked | {"id": f"s{n}"})
    clinic.events()
    beside = _matched(clinic, "after")
    print(f"\nchanges matched a second: {alone:.0f} with no Subscription, {beside:.0f} with {SUBSCRIPTIONS}", end="")
    with receiving() as receiver:
        hook = to_topic(channel={"endpoint": receiver.url}, filter="Observation?patient=mine")
        clinic.write(hook | {"id": "hook"})
        with worker(durable_url, tmp_path):
            while not receiver.seen:
                time.sleep(0.05)
            receiver.seen.clear()
            waits = _latencies(clinic, receiver)
        print(f"\nfrom commit to receipt: p50 {statistics.median(waits) * 1000:.0f} ms,"
              f" p99 {sorted(waits)[int(len(waits) * 0.99) - 1] * 1000:.0f} ms", end="")  # fmt: skip
    with clinic.pool.connection() as connection:
        connection.execute("UPDATE subscription SET state = 'off' WHERE id = 'hook'")
    for n in range(SUBSCRIPTIONS):
        asked = to_topic(channel={"type": "websocket"}, filter="Observation?patient=famous")
        clinic.write(asked | {"id": f"s{n}"})
    clinic.events()
    clinic.write(observation("all", "famous"))
    began = time.perf_counter()
    clinic.events()
    print(f"\none change numbered for {SUBSCRIPTIONS} Subscriptions in {time.perf_counter() - began:.2f} s", end="")
    assert beside > 1000


def _matched(clinic: Notified, name: str) -> float:
    """Changes a second that the consumer of Subscriptions handles, in one batch."""
    for n in range(BATCH):
        clinic.write(observation(f"{name}{n}", f"p{n}"))
    with clinic.pool.connection() as connection:
        began = time.perf_counter()
        while drain(connection, {"resource": (consumer((BASE,), allow_private=True),)}):
            pass
    return BATCH / (time.perf_counter() - began)


def _latencies(clinic: Notified, receiver: Receiver) -> list[float]:
    """Seconds from the end of each commit to the request that tells of it."""
    committed: dict[str, float] = {}
    for n in range(CHANGES):
        clinic.write(observation(f"mine{n}", "mine"))
        committed[f"Observation/mine{n}"] = time.time()
        time.sleep(EVERY)
    deadline = time.monotonic() + 20
    while True:
        found = {
            focus: one.at - committed[focus] for one in list(receiver.seen) for _, focus in told(one.body)["events"]
        }
        if len(found) == CHANGES:
            return list(found.values())
        assert time.monotonic() < deadline, len(found)
        time.sleep(0.1)
