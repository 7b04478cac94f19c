"""Reads and creates over HTTP, with token and audit, beside a bare application that has neither."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.bench import wrk
from tests.bench.web_servers import Served, bare, database, healix
from tests.support.fhir_server import body
from tests.support.resources import observation

pytestmark = pytest.mark.bench

ROUNDS, SECONDS = 5, 2
RESOURCES = 500
SENT = body(observation("Patient/p"))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Served]]:
    """Healix with one web worker and the bare application, on one database with fsync."""
    directory = tmp_path_factory.mktemp("http")
    with ExitStack() as stack:
        url = stack.enter_context(database(directory))
        yield {
            "Healix": stack.enter_context(healix(url, directory, workers=1)),
            "bare": stack.enter_context(bare(url)),
        }


def compare(name: str, servers: dict[str, Served], script: Path) -> float:
    """The ratio of the median rates of alternating rounds, printed; the first round warms up."""
    rates: dict[str, list[float]] = {server: [] for server in servers}
    for turn in range(ROUNDS + 1):
        for server, served in servers.items():
            measured = wrk.rate(served, script, seconds=SECONDS)
            rates[server] += [measured] if turn else []
    ours, least = (statistics.median(rates[server]) for server in ("Healix", "bare"))
    rounds = {server: [round(one) for one in found] for server, found in rates.items()}
    print(f"\n{name}: Healix {ours:,.0f}/s, bare {least:,.0f}/s, ratio {ours / least:.2f}; rounds {rounds}")
    return ours / least


def test_read(servers: dict[str, Served], tmp_path: Path) -> None:
    """A read with a token and an audit row keeps 80 % of the rate of the bare point query."""
    served = servers["Healix"]
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}/fhir", headers=served.headers) as client:
        headers = {"Content-Type": "application/fhir+json"}
        made = [client.post("/Observation", content=SENT, headers=headers) for _ in range(RESOURCES)]
    paths = [f"/fhir/Observation/{one.json()['id']}" for one in made]
    assert compare("read by id, 16 clients", servers, wrk.script(tmp_path / "read.lua", paths)) >= 0.8


def test_create(servers: dict[str, Served], tmp_path: Path) -> None:
    """A validated, indexed, audited, durable create keeps 60 % of the rate of a bare durable insert."""
    script = wrk.script(tmp_path / "create.lua", ["/fhir/Observation"], SENT)
    assert compare("create of an Observation, 16 clients", servers, script) >= 0.6
