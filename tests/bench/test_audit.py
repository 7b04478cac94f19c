"""What the audit costs: reads by id, on record before they are answered, beside the same reads without."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.bench import wrk
from tests.bench.web_servers import database, web_worker
from tests.support.fhir_server import body
from tests.support.resources import observation

pytestmark = pytest.mark.bench

MODULES = {"audited": "healix_fhir.server.cli.main", "not audited": "tests.bench.unaudited"}
ROUNDS, SECONDS = 5, 2
CLIENTS = (16, 64, 128)
RESOURCES = 500
SENT = body(observation("Patient/p"))


def test_reads(tmp_path: Path) -> None:
    """The audit takes at most 30 % of the rate of reads of one busy web worker.

    Each waits for the disk, so few clients that wait for each other's answers feel it more than many do.
    """
    with ExitStack() as stack:
        url = stack.enter_context(database(tmp_path))
        servers = {name: stack.enter_context(web_worker(url, tmp_path, module)) for name, module in MODULES.items()}
        served = servers["audited"]
        with httpx.Client(base_url=f"http://127.0.0.1:{served.port}/fhir", headers=served.headers) as client:
            headers = {"Content-Type": "application/fhir+json"}
            made = [client.post("/Observation", content=SENT, headers=headers).json()["id"] for _ in range(RESOURCES)]
        script = wrk.script(tmp_path / "read.lua", [f"/fhir/Observation/{id_}" for id_ in made])
        costs = {}
        for clients in CLIENTS:
            rates: dict[str, list[float]] = {name: [] for name in servers}
            for turn in range(ROUNDS + 1):
                for name, server in servers.items():
                    measured = wrk.rate(server, script, seconds=SECONDS, clients=clients)
                    rates[name] += [measured] if turn else []
            audited, free = (statistics.median(rates[name]) for name in MODULES)
            costs[clients] = 1 - audited / free
            print(f"\nreads, {clients} clients: audited {audited:,.0f}/s, not {free:,.0f}/s, cost {costs[clients]:.0%}")
    assert min(costs.values()) <= 0.3
