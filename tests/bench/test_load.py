"""Loading the Synthea bundles: as transactions over HTTP with two web workers, and by `healix import`."""

from __future__ import annotations

import http.client
import os
import queue
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from tests.bench.web_servers import Served, database, healix
from tests.support.resources import shared_data, synthea_bundles

pytestmark = pytest.mark.bench

CLIENTS, ROUNDS = 4, 3
AT_LEAST = 1200


@dataclass(frozen=True)
class Running:
    """A server with two web workers and the URL of its database."""

    served: Served
    url: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The server under load, its database with fsync."""
    directory = tmp_path_factory.mktemp("load")
    with ExitStack() as stack:
        url = stack.enter_context(database(directory))
        yield Running(stack.enter_context(healix(url, directory, workers=2)), url)


def load(served: Served, bundles: tuple[bytes, ...]) -> None:
    """Post every bundle once, from CLIENTS keep-alive clients."""
    waiting: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    for bundle in bundles:
        waiting.put(bundle)

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        headers = served.headers | {"Content-Type": "application/fhir+json", "Prefer": "return=minimal"}
        for _ in bundles:
            try:
                bundle = waiting.get_nowait()
            except queue.Empty:
                break
            connection.request("POST", "/fhir", bundle, headers)
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, body[:500]
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as clients:
        for done in [clients.submit(client) for _ in range(CLIENTS)]:
            done.result()


def test_transactions(running: Running) -> None:
    """Transactions load at least 1,200 resources a second over two web workers."""
    bundles = synthea_bundles()
    count = sum(len(orjson.loads(bundle)["entry"]) for bundle in bundles)
    load(running.served, bundles[:6])  # warms up: definitions are compiled when a type is first met
    rates = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        load(running.served, bundles)
        rates.append(count / (time.perf_counter() - started))
    median = statistics.median(rates)
    print(f"\nSynthea transactions, {CLIENTS} clients, 2 workers: {median:,.0f} resources/s; rounds ", end="")
    print([round(one) for one in rates])
    assert median >= AT_LEAST


def test_import(running: Running, tmp_path: Path) -> None:
    """`healix import` of the same bundles, its start included."""
    folder = shared_data("fhir/synthea")
    count = sum(len(orjson.loads(bundle)["entry"]) for bundle in synthea_bundles())
    command = [sys.executable, "-m", "healix_fhir.server.cli.main", "import", "--data-dir", str(tmp_path)]
    environment = os.environ | {"HEALIX_DATABASE_URL": running.url}
    sources = [str(path) for path in sorted(folder.glob("*.ndjson.gz"))]
    started = time.perf_counter()
    done = subprocess.run([*command, *sources], env=environment, capture_output=True, check=False)
    took = time.perf_counter() - started
    assert done.returncode == 0, done.stderr[-500:]
    print(f"\nhealix import of {count} resources: {took:.1f} s, {count / took:,.0f} resources/s")
    assert count / took >= AT_LEAST / 2
