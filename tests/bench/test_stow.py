"""STOW-RS beside the REST interface of Orthanc: CT images of 526 kB over HTTP, several clients, alternating rounds."""

from __future__ import annotations

import http.client
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.bench.dimse_servers import free_port
from tests.bench.stow_parts import Images, many, post
from tests.bench.web_servers import Served, database, healix, running
from tests.support.tools import require_tool

pytestmark = pytest.mark.bench

CLIENTS, BATCH, BATCHES, ROUNDS = 4, 20, 3, 5


@contextmanager
def orthanc(data_dir: Path) -> Iterator[Served]:
    """Orthanc with its defaults, so with fsync, on its own SQLite."""
    port = free_port()
    data_dir.mkdir()
    configuration = {
        "StorageDirectory": str(data_dir / "storage"),
        "IndexDirectory": str(data_dir / "storage"),
        "DicomPort": free_port(),
        "HttpPort": port,
        "AuthenticationEnabled": False,
        "Plugins": [],
    }
    (data_dir / "orthanc.json").write_text(json.dumps(configuration))
    command = [require_tool("Orthanc"), str(data_dir / "orthanc.json")]
    with running(command, port, "/system", {"TCP_NODELAY": "1"}) as pid:
        yield Served(port, pid)


def stow(served: Served, images: Images, numbers: range) -> None:
    """Batches of images, one request each."""
    for first in range(numbers.start, numbers.stop, BATCH):
        post(served, many(images, range(first, first + BATCH)))


def upload(served: Served, images: Images, numbers: range) -> None:
    """One request for each image, which is how Orthanc takes them without plugins."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    for number in numbers:
        connection.request("POST", "/instances", images.file(number), {"Content-Type": "application/dicom"})
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body[:500]
    connection.close()


def rate(send: Callable[[Served, Images, range], None], served: Served) -> float:
    """Images a second of CLIENTS clients, each with a study of its own."""
    numbers = range(BATCH * BATCHES)
    studies = [Images() for _ in range(CLIENTS)]
    os.sync()
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        for done in [clients.submit(send, served, images, numbers) for images in studies]:
            done.result()
    return CLIENTS * len(numbers) / (time.perf_counter() - started)


def test_stow_rate(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Healix stores images over HTTP at least as fast as Orthanc."""
    require_tool("Orthanc")
    directory = tmp_path_factory.mktemp("stow")
    rates: dict[str, list[float]] = {"Healix": [], "Orthanc": []}
    with ExitStack() as stack:
        url = stack.enter_context(database(directory))
        ours = stack.enter_context(healix(url, directory, workers=2))
        theirs = stack.enter_context(orthanc(directory / "orthanc"))
        for turn in range(ROUNDS + 1):  # the first one warms up
            for name, send, served in (("Healix", stow, ours), ("Orthanc", upload, theirs)):
                measured = rate(send, served)
                rates[name] += [measured] if turn else []
    medians = {name: statistics.median(found) for name, found in rates.items()}
    ratio = medians["Healix"] / medians["Orthanc"]
    rounds = {name: [round(one) for one in found] for name, found in rates.items()}
    print(
        f"\nCT images over HTTP, {CLIENTS} clients: STOW-RS in batches of {BATCH} {medians['Healix']:.0f}/s, ", end=""
    )
    print(f"Orthanc {medians['Orthanc']:.0f}/s, ratio {ratio:.2f}; rounds {rounds}")
    assert ratio >= 1.0
