"""Reads, searches, creates and ingest by 1, 16 and 64 clients, in turns with what else can be run here.

That is an earlier version of this server (`HEALIX_PREVIOUS=DIRECTORY`, as tests/upgrade/check-out installs it), the
bare application, and Orthanc. `pytest tests/bench/test_clients.py -m bench -s -p no:randomly` runs it alone;
`HEALIX_BENCH_ROUNDS` says how many rounds there are.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, chdir, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.bench import wrk
from tests.bench.dimse_servers import free_port
from tests.bench.stow_parts import Images, many, post
from tests.bench.test_stow import orthanc, upload
from tests.bench.web_servers import Served, bare, running
from tests.support.fhir_server import body
from tests.support.resources import observation, patient
from tests.support.tools import require_tool

pytestmark = pytest.mark.bench

CLIENTS = (1, 16, 64)
ROUNDS = int(os.environ.get("HEALIX_BENCH_ROUNDS", "5"))
SECONDS = 2
PATIENTS, EACH = 50, 20
IMAGES, SIDE = 128, 128
"""Images of one round of ingest, a request each, and their rows and columns."""
FHIR = {"Content-Type": "application/fhir+json"}
BEFORE, NOW, BARE, PEER = "before", "Healix", "bare", "Orthanc"
Work = Callable[[Served, int], float]


@contextmanager
def healix(program: Path, data_dir: Path) -> Iterator[Served]:
    """`healix serve` of a version, as a clinic runs it: its own database, one web worker."""
    port = free_port()
    here = ["--data-dir", str(data_dir)]
    command = [str(program), "serve", *here, "--port", str(port), "--dimse-port", str(free_port()), "--workers", "1"]
    with running(command, port, "/readyz", {"HEALIX_LOG_LEVEL": "error"}) as pid:
        asked = [str(program), "token", "create", "--scope", "system/*.cruds", "--ttl", "86400", *here]
        made = subprocess.run(asked, capture_output=True, check=True, cwd=data_dir)
        yield Served(port, pid, json.loads(made.stdout)["access_token"])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Served]]:
    """What can be run, by name."""
    directory = tmp_path_factory.mktemp("clients")
    programs = {NOW: Path(sys.executable).with_name("healix")}
    if previous := os.environ.get("HEALIX_PREVIOUS"):
        programs[BEFORE] = Path(previous).resolve() / ".venv/bin/healix"
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("HEALIX_")]:
            patch.delenv(name)  # none is a setting
        found: dict[str, Served] = {}
        for name, program in programs.items():
            (directory / name).mkdir()
            with chdir(directory):  # or an earlier version's parts would be those of this directory
                found[name] = stack.enter_context(healix(program, directory / name))
            _fill(found[name])
        url = (directory / NOW / "postgres" / "postmaster.pid").read_text().splitlines()[4]
        found[BARE] = stack.enter_context(bare(f"postgresql://postgres:@/postgres?host={url}"))
        found[PEER] = stack.enter_context(orthanc(directory / "orthanc"))
        yield found


def _fill(served: Served) -> None:
    """Patients with Observations, under ids that say whose they are."""
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", headers=served.headers | FHIR, timeout=60) as client:
        for number in range(PATIENTS):
            seen = [observation(f"Patient/p{number}", id=f"p{number}-{each}") for each in range(EACH)]
            entries = [
                {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
                for one in (patient(id=f"p{number}"), *seen)
            ]
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            assert client.post("/fhir", content=body(bundle)).status_code == 200


def report(name: str, servers: Mapping[str, Served], ways: Mapping[str, Work]) -> None:
    """The medians of rounds in which all take turns, at each number of clients; the first round warms up."""
    for clients in CLIENTS:
        rates: dict[str, list[float]] = {server: [] for server in ways}
        for turn in range(ROUNDS + 1):
            for server, work in ways.items():
                measured = work(servers[server], clients)
                rates[server] += [measured] if turn else []
        told = ", ".join(f"{server} {statistics.median(found):,.0f}/s" for server, found in rates.items())
        spread = {server: f"{min(found):.0f} to {max(found):.0f}" for server, found in rates.items()}
        print(f"\n{name}, {clients} clients: {told}; rounds {spread}")


def asked(script: Path, served: Served, clients: int) -> float:
    """Requests of a script a second."""
    return wrk.rate(served, script, seconds=SECONDS, clients=clients)


def of(servers: Mapping[str, Served], work: Work, *names: str) -> dict[str, Work]:
    """The same work for each of these servers that runs."""
    return {name: work for name in names if name in servers}


def test_reads(servers: Mapping[str, Served], tmp_path: Path) -> None:
    """Reads by id."""
    paths = [f"/fhir/Observation/p{number}-{each}" for number in range(PATIENTS) for each in range(EACH)]
    work = partial(asked, wrk.script(tmp_path / "read.lua", paths))
    report("reads", servers, of(servers, work, NOW, BEFORE, BARE))


def test_searches(servers: Mapping[str, Served], tmp_path: Path) -> None:
    """The newest Observations of a patient with a code."""
    asked_for = "code=http://loinc.org|8867-4&_sort=-date&_count=20".replace("|", "%7C")
    paths = [f"/fhir/Observation?patient=p{number}&{asked_for}" for number in range(PATIENTS)]
    work = partial(asked, wrk.script(tmp_path / "search.lua", paths))
    report("searches", servers, of(servers, work, NOW, BEFORE))


def test_creates(servers: Mapping[str, Served], tmp_path: Path) -> None:
    """Creates of an Observation."""
    sent = body(observation("Patient/p1"))
    work = partial(asked, wrk.script(tmp_path / "create.lua", ["/fhir/Observation"], sent))
    report("creates", servers, of(servers, work, NOW, BEFORE, BARE))


def test_ingest(servers: Mapping[str, Served]) -> None:
    """Images over HTTP, a request each: by STOW-RS, and by the REST interface of Orthanc."""
    require_tool("Orthanc")

    def stow(served: Served, images: Images, numbers: range) -> None:
        for number in numbers:
            post(served, many(images, range(number, number + 1)))

    def stored(send: Callable[[Served, Images, range], None], served: Served, clients: int) -> float:
        numbers, studies = range(IMAGES // clients), [Images(SIDE) for _ in range(clients)]
        started = time.perf_counter()
        with ThreadPoolExecutor(clients) as pool:
            for done in [pool.submit(send, served, images, numbers) for images in studies]:
                done.result()
        return clients * len(numbers) / (time.perf_counter() - started)

    work = of(servers, partial(stored, stow), NOW, BEFORE)
    report("ingest", servers, {**work, PEER: partial(stored, upload)})
