"""C-MOVE: how fast a study leaves, beside Orthanc, to a receiver that throws it away."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from tests.bench.dimse_servers import ENVIRONMENT, Target, free_port, healix, orthanc
from tests.support.ct import ct_image
from tests.support.tools import require_tool

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]
ROUNDS, FILES = 5, 200
AT_LEAST = 0.7


@contextmanager
def sink() -> Iterator[int]:
    """The port of a storescp of dcmtk that keeps nothing."""
    port = free_port()
    command = [require_tool("storescp"), "--ignore", "-pdu", "131072", "-aet", "SINK", str(port)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        echo = [require_tool("echoscu"), "-aec", "SINK", "127.0.0.1", str(port)]
        while subprocess.run(echo, capture_output=True, check=False).returncode:
            assert process.poll() is None
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, int]:
    """A study of CT images, the folder they are in, and its bytes."""
    uid = generate_uid(prefix=None)
    folder = tmp_path_factory.mktemp("study")
    for number in range(FILES):
        ct_image(folder / f"{number}.dcm", study=uid, series=f"{uid}.1", number=number, side=512)
    return uid, folder, sum(path.stat().st_size for path in folder.iterdir())


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, study: tuple[str, Path, int]) -> Iterator[tuple[Target, Target]]:
    """Healix and Orthanc, both with the study, which both know the receiver."""
    directory = tmp_path_factory.mktemp("bench")
    with ExitStack() as stack:
        port = stack.enter_context(sink())
        ours = stack.enter_context(healix(directory / "healix"))
        theirs = stack.enter_context(orthanc(directory / "orthanc", knows={"SINK": port}))
        add = [sys.executable, "-m", "healix_fhir.server.cli.main", "peer", "add", "SINK", "--host", "127.0.0.1"]
        subprocess.run(
            [*add, "--port", str(port), "--data-dir", str(directory / "healix")], check=True, capture_output=True
        )
        for target in (ours, theirs):
            store = [require_tool("storescu"), "-aec", target.aet, "-xe", "+sd", "127.0.0.1", str(target.port)]
            subprocess.run([*store, str(study[1])], check=True, env=ENVIRONMENT, capture_output=True)
        yield ours, theirs


def seconds(target: Target, uid: str) -> float:
    """How long a C-MOVE of the study takes."""
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}"]
    command = [require_tool("movescu"), "-S", "-aec", target.aet, "-aem", "SINK", *keys, "127.0.0.1", str(target.port)]
    started = time.monotonic()
    subprocess.run(command, check=True, env=ENVIRONMENT, capture_output=True)
    return time.monotonic() - started


def test_move_rate(servers: tuple[Target, Target], study: tuple[str, Path, int]) -> None:
    """A study leaves at seven tenths of the rate of Orthanc at least, in alternating rounds."""
    uid, _, size = study
    taken: dict[str, list[float]] = {target.aet: [] for target in servers}
    for turn in range(ROUNDS + 1):  # the first one warms up
        for target in servers:
            measured = seconds(target, uid)
            taken[target.aet] += [measured] if turn else []
    ours, theirs = (size / statistics.median(taken[target.aet]) / 1e6 for target in servers)
    print(f"\nC-MOVE of {FILES} CT images: Healix {ours:.0f} MB/s, Orthanc {theirs:.0f} MB/s", end="")
    print(f", ratio {ours / theirs:.2f}, {os.cpu_count()} cores")
    assert ours >= AT_LEAST * theirs
