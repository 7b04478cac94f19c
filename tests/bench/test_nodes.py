"""What a request costs one node, and two on one database behind a balancer: processor time of nodes and PostgreSQL.

Cores that others keep busy change it little, unlike rates. One node is asked by `CALLERS` at once, two by as many and
by twice as many: the second is what nodes are added for. A node has one web process, and one node with two of them is
measured too, since that spreads requests as a second node does. All take turns within a round.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from healix_fhir.kernel import embedded
from healix_fhir.kernel.database import open_pool, transaction
from healix_fhir.server.migrate import migrate
from smart_auth.store import create_token
from tests.support.balancing import balancing
from tests.support.plain import NO_TLS
from tests.support.resources import observation, patient
from tests.support.search import Clinic
from tests.support.serve import Served, free_ports, serving

pytestmark = pytest.mark.bench

CALLERS = 4
ROUNDS = int(os.environ.get("HEALIX_BENCH_ROUNDS", "5"))
TIMES = int(os.environ.get("HEALIX_BENCH_TIMES", "120"))
"""Reads, searches and creates each, in every part of a round."""
PATIENTS, EACH = 100, 30


@dataclass(frozen=True)
class Way:
    """Some web processes of the nodes, reached at `url` by so many callers at once."""

    name: str
    url: str
    nodes: Sequence[Served]
    callers: int


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, psutil.Process]]:
    """Patients with Observations: the database's URL, and its first process."""
    directory = tmp_path_factory.mktemp("nodes")
    server = embedded.start(directory)
    url = server.get_uri()
    migrate(url)
    with open_pool(url, size=1) as pool:
        clinic = Clinic(pool)
        for number in range(PATIENTS):
            about = patient(id=f"p{number}")
            seen = [observation(f"Patient/p{number}", id=f"p{number}-{each}") for each in range(EACH)]
            clinic.put(about, *seen)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    socket = Path(url.partition("host=")[2])
    yield url, psutil.Process(int((socket / "postmaster.pid").read_text().split()[0]))
    server.cleanup()


def test_what_a_second_node_costs(database: tuple[str, psutil.Process], tmp_path: Path) -> None:
    """The same reads, searches and creates through one balancer each, in turns, within one run."""
    url, postmaster = database
    with open_pool(url, size=1) as pool:
        token = transaction(pool, lambda: create_token("system/*.cruds"))
    with ExitStack() as stack:
        first, second, wide = (
            stack.enter_context(serving(tmp_path / name, "--workers", workers, database_url=url))
            for name, workers in (("first", "1"), ("second", "1"), ("wide", "2"))
        )
        fronts = [
            (nodes, stack.enter_context(balancing(port, [node.port for node in nodes])))
            for nodes, port in zip(((first,), (first, second), (wide,)), free_ports(3), strict=True)
        ]
        (one, at_one), (two, at_two), (broad, at_broad) = fronts
        ways = [
            Way("one node", at_one, one, CALLERS),
            Way("two nodes", at_two, two, CALLERS),
            Way("two nodes, twice the callers", at_two, two, 2 * CALLERS),
            Way("one node, two web processes", at_broad, broad, CALLERS),
        ]
        for way in ways:
            _ask(way, token, 10 * way.callers)
        costs: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
        for number in range(ROUNDS):
            for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                costs[way.name].append(_spent(way, token, postmaster))
        _report(costs)


def _spent(way: Way, token: str, postmaster: psutil.Process) -> tuple[float, float]:
    """Microseconds of the processor that a request took of the nodes, and of PostgreSQL."""
    roots = [psutil.Process(node.process.pid) for node in way.nodes]
    before = _ran(roots), _ran([postmaster])
    _ask(way, token, TIMES)
    of_nodes, of_rows = (
        sum(ran - then.get(thread, 0) for thread, ran in now.items()) / (3 * TIMES * 1000)
        for then, now in zip(before, (_ran(roots), _ran([postmaster])), strict=True)
    )
    return of_nodes, of_rows


def _report(costs: dict[str, list[tuple[float, float]]]) -> None:
    print(f"\n{'processor µs a request':32}{'nodes':>8}{'PostgreSQL':>12}{'both':>8}{'ratio':>8}  ratios of rounds")
    base = [sum(spent) for spent in costs["one node"]]
    for name, found in costs.items():
        whole = [sum(spent) for spent in found]
        ratios = sorted(now / then for now, then in zip(whole, base, strict=True))
        of_nodes, of_rows = (statistics.median(column) for column in zip(*found, strict=True))
        print(
            f"{name:32}{of_nodes:8.0f}{of_rows:12.0f}{statistics.median(whole):8.0f}{statistics.median(ratios):8.2f}"
            f"  {ratios[0]:.2f} to {ratios[-1]:.2f}"
        )


def _ran(roots: Sequence[psutil.Process]) -> dict[str, int]:
    """By thread of processes and of all below them, the nanoseconds that it has run on a processor.

    Spec: Linux, docs.kernel.org/scheduler/sched-stats.html (/proc/PID/schedstat)
    """
    found = {}
    for process in [one for root in roots for one in (root, *root.children(recursive=True))]:
        for thread in Path(f"/proc/{process.pid}/task").glob("*"):
            with suppress(OSError):  # it has ended meanwhile
                found[thread.name] = int((thread / "schedstat").read_text().split()[0])
    return found


def _ask(way: Way, token: str, times: int) -> None:
    """So many reads, searches and creates each, by all callers at once."""

    def caller(first: int) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=way.url, headers=headers, timeout=60, verify=NO_TLS) as client:
            for number in range(first, times, way.callers):
                id_ = f"p{number % PATIENTS}"
                assert client.get(f"/fhir/Patient/{id_}").status_code == 200
                assert client.get(f"/fhir/Observation?subject=Patient/{id_}&_count=20").status_code == 200
                assert client.post("/fhir/Patient", json=patient()).status_code == 201

    with ThreadPoolExecutor(way.callers) as callers:
        list(callers.map(caller, range(way.callers)))
