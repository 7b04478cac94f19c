"""Healix and Orthanc with its DICOMweb plugin beside each other, both with the same images, and how they are asked."""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.bench import wrk
from tests.bench.dimse_servers import free_port
from tests.bench.stow_parts import Images, many, post
from tests.bench.web_servers import Served, database, healix, running
from tests.support.tools import require_tool

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ROUNDS = 5
AT_ONCE = 9
CLIENTS, SECONDS = 8, 2
BATCH = 50


@dataclass(frozen=True)
class Archive:
    """One of the two servers, and where its DICOMweb service is."""

    name: str
    served: Served
    root: str

    def store(self, images: Images, count: int) -> None:
        """Store so many images by STOW-RS, in batches."""
        for first in range(0, count, BATCH):
            post(self.served, many(images, range(first, min(first + BATCH, count))), self.root)

    def get(self, path: str, accept: str) -> bytes:
        """The body of an answer, which must be a success."""
        with closing(self._connection()) as connection:
            return self._got(connection, path, accept)

    def seconds(self, path: str, accept: str) -> float:
        """How long an answer takes: the median of some in a row, as machines put away what was not used just now, over
        one connection, as browsers keep theirs.
        """
        taken = []
        with closing(self._connection()) as connection:
            for _ in range(AT_ONCE):
                started = time.perf_counter()
                self._got(connection, path, accept)
                taken.append(time.perf_counter() - started)
        return statistics.median(taken)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=120)

    def _got(self, connection: http.client.HTTPConnection, path: str, accept: str) -> bytes:
        connection.request("GET", self.root + path, headers=self.served.headers | {"Accept": accept})
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, (self.name, path, response.status, body[:300])
        return body

    def rate(self, paths: list[str], accept: str, folder: Path) -> float:
        """Requests a second of `CLIENTS` clients that ask for these paths in turn."""
        script = wrk.script(folder / f"{self.name}.lua", [self.root + path for path in paths])
        return wrk.rate(self.served, script, seconds=SECONDS, clients=CLIENTS, headers={"Accept": accept})


@contextmanager
def orthanc(data_dir: Path) -> Iterator[Served]:
    """Orthanc with its defaults, so with fsync, on its own SQLite, and its DICOMweb plugin."""
    program = require_tool("Orthanc")
    if not PLUGIN.exists():
        pytest.skip("the package orthanc-dicomweb is not installed")
    port = free_port()
    data_dir.mkdir()
    configuration = {
        "StorageDirectory": str(data_dir / "storage"),
        "IndexDirectory": str(data_dir / "storage"),
        "DicomPort": free_port(),
        "HttpPort": port,
        "AuthenticationEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (data_dir / "orthanc.json").write_text(json.dumps(configuration))
    command = [program, str(data_dir / "orthanc.json")]
    with running(command, port, "/system", {"TCP_NODELAY": "1"}) as pid:
        yield Served(port, pid)


@contextmanager
def both(directory: Path) -> Iterator[tuple[Archive, Archive]]:
    """The two, empty."""
    with ExitStack() as stack:
        url = stack.enter_context(database(directory))
        ours = stack.enter_context(healix(url, directory, workers=2))
        theirs = stack.enter_context(orthanc(directory / "orthanc"))
        yield Archive("Healix", ours, "/dicomweb"), Archive("Orthanc", theirs, "/dicom-web")


def alternating(measures: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, float]:
    """The median of each measure, taken in turns; the first round warms up."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for turn in range(rounds + 1):
        for name, measure in measures.items():
            value = measure()
            if turn:
                found[name].append(value)
    return {name: statistics.median(values) for name, values in found.items()}


def rates(archives: tuple[Archive, Archive], paths: list[str], accept: str, folder: Path) -> dict[str, float]:
    """Requests a second of each server."""
    return alternating({one.name: partial(one.rate, paths, accept, folder) for one in archives})


def times(archives: tuple[Archive, Archive], path: str, accept: str) -> dict[str, float]:
    """Seconds of one answer of each server."""
    return alternating({one.name: partial(one.seconds, path, accept) for one in archives})


def report(what: str, found: Mapping[str, float], unit: str, *, smaller: bool = False) -> float:
    """Print a line; the ratio in which Healix is ahead of Orthanc."""
    ratio = found["Orthanc"] / found["Healix"] if smaller else found["Healix"] / found["Orthanc"]
    figures = ", ".join(f"{name} {value:.3g} {unit}" for name, value in found.items())
    print(f"\n{what}: {figures}; Healix is {ratio:.2f} times as fast as Orthanc")
    return ratio
