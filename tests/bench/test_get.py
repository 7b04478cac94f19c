"""C-GET: how fast a study comes back over its association, beside Orthanc, to a peer that throws it away."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from tests.bench.dimse_servers import ENVIRONMENT, Target, healix, orthanc
from tests.support.ct import ct_image
from tests.support.tools import require_tool

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
ROUNDS, FILES = 5, 200
AT_LEAST = 0.7


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
    """Healix and Orthanc, both with the study."""
    directory = tmp_path_factory.mktemp("bench")
    with ExitStack() as stack:
        ours = stack.enter_context(healix(directory / "healix"))
        theirs = stack.enter_context(orthanc(directory / "orthanc"))
        for target in (ours, theirs):
            store = [require_tool("storescu"), "-aec", target.aet, "-xe", "+sd", "127.0.0.1", str(target.port)]
            subprocess.run([*store, str(study[1])], check=True, env=ENVIRONMENT, capture_output=True)
        yield ours, theirs


def seconds(target: Target, uid: str) -> float:
    """How long a C-GET of the study takes."""
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}"]
    options = ["-S", "--ignore", "-pdu", "131072", "-aec", target.aet, *keys]
    started = time.monotonic()
    subprocess.run(
        [require_tool("getscu"), *options, "127.0.0.1", str(target.port)],
        check=True, env=ENVIRONMENT, capture_output=True,
    )  # fmt: skip
    return time.monotonic() - started


def test_get_rate(servers: tuple[Target, Target], study: tuple[str, Path, int]) -> None:
    """A study comes back at seven tenths of the rate of Orthanc at least, in alternating rounds."""
    uid, _, size = study
    taken: dict[str, list[float]] = {target.aet: [] for target in servers}
    for turn in range(ROUNDS + 1):  # the first one warms up
        for target in servers:
            measured = seconds(target, uid)
            taken[target.aet] += [measured] if turn else []
    ours, theirs = (size / statistics.median(taken[target.aet]) / 1e6 for target in servers)
    print(f"\nC-GET of {FILES} CT images: Healix {ours:.0f} MB/s, Orthanc {theirs:.0f} MB/s", end="")
    print(f", ratio {ours / theirs:.2f}, {os.cpu_count()} cores")
    assert ours >= AT_LEAST * theirs
