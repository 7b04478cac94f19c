"""Healix's DIMSE process and Orthanc, each started as its operator would, with durable writes, and the least that could
store.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.serve import free_ports
from tests.support.tools import require_tool

ENVIRONMENT = os.environ | {"TCP_NODELAY": "1"}


@dataclass(frozen=True)
class Target:
    """A running server: its AE title, DIMSE port and process id."""

    aet: str
    port: int
    pid: int


def free_port() -> int:
    """A port that nobody listens on, and that nobody gets meanwhile who asks for any."""
    return free_ports(1)[0]


@contextmanager
def _running(command: list[str], aet: str, port: int, environment: dict[str, str]) -> Iterator[Target]:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    echo = [require_tool("echoscu"), "-aec", aet, "127.0.0.1", str(port)]
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(echo, capture_output=True, check=False).returncode:
            assert process.poll() is None, f"{command} ended"
            assert time.monotonic() < deadline, f"{command} does not answer"
            time.sleep(0.2)
        yield Target(aet, port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def healix(data_dir: Path, *, url: str = "") -> Iterator[Target]:
    """`healix dimse` on the database of `url`, else its embedded one, open to every caller."""
    port = free_port()
    command = [sys.executable, "-m", "healix_fhir.server.cli.main", "dimse"]
    options = ["--data-dir", str(data_dir), "--dimse-port", str(port)]
    environment = ENVIRONMENT | {"HEALIX_DIMSE_UNKNOWN_CALLERS": "all", **({"HEALIX_DATABASE_URL": url} if url else {})}
    with _running([*command, *options], "HEALIX", port, environment) as target:
        yield target


@contextmanager
def bare(folder: Path, *, url: str = "") -> Iterator[Target]:
    """The least that could store in Python: what is beyond it is ours to save. With rows in the database of `url`."""
    port = free_port()
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.bench.bare_scp", str(port), str(folder), *([url] if url else [])]
    with _running(command, "INDEXED" if url else "BARE", port, {**ENVIRONMENT}) as target:
        yield target


@contextmanager
def orthanc(data_dir: Path, *, knows: Mapping[str, int] | None = None, tuned: bool = True) -> Iterator[Target]:
    """Orthanc with its defaults, so with fsync, on its own SQLite. It `knows` modalities of this machine by port.

    Where it is not `tuned` it leaves Nagle's algorithm on, as it does where nobody sets TCP_NODELAY.
    """
    port = free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    configuration = {
        "StorageDirectory": str(data_dir / "storage"),
        "IndexDirectory": str(data_dir / "storage"),
        "DicomPort": port,
        "HttpPort": free_port(),
        "DicomAet": "ORTHANC",
        "DicomAlwaysAllowGet": True,
        "Plugins": [],
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {aet: [aet, "127.0.0.1", port] for aet, port in (knows or {}).items()},
    }
    (data_dir / "orthanc.json").write_text(json.dumps(configuration))
    command = [require_tool("Orthanc"), str(data_dir / "orthanc.json")]
    environment = {name: value for name, value in ENVIRONMENT.items() if tuned or name != "TCP_NODELAY"}
    with _running(command, "ORTHANC", port, environment) as target:
        yield target
