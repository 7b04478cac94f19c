"""C-STORE beside what dcmtk's storescp would take with fsync: a receiver that does nothing but write files.

storescp has no option that brings files to the disk, and what could be hung into it makes it slower than it has to be:
`--exec-on-reception` starts a shell and `sync` for each object, a directory that is synchronous (`chattr +S`) waits at
each of the many small writes of a file. So its share is measured in two parts: it receives and writes as it does
(`+B`, the data as they come), on the same disk, one process for each association (`--fork`); then its files are forced
to the disk by fsync, those of each association one after the other, as it would do before each answer. The sum is what
it would take at best.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.dimse_servers import ENVIRONMENT, Target, free_port, healix
from tests.bench.storing import LARGE, SMALL, Load, load, seconds
from tests.support.tools import require_tool

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
ROUNDS = 5
AT_LEAST = 0.5


@contextmanager
def storescp(folder: Path) -> Iterator[Target]:
    """A storescp that writes into `folder`."""
    port = free_port()
    options = ["--fork", "+B", "-pdu", "131072", "-aet", "STORESCP", "-od", str(folder)]
    process = subprocess.Popen(
        [require_tool("storescp"), *options, str(port)],
        env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        echo = [require_tool("echoscu"), "-aec", "STORESCP", "127.0.0.1", str(port)]
        while subprocess.run(echo, capture_output=True, check=False).returncode:
            assert process.poll() is None
            time.sleep(0.1)
        yield Target("STORESCP", port, process.pid)
    finally:
        process.terminate()
        process.wait(10)


def forced(files: Sequence[Path]) -> None:
    """Force files to the disk, one after the other."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def bound(target: Target, folder: Path, sent: Load) -> float:
    """Seconds that storescp takes for a load, with its files forced to the disk. None is deleted meanwhile."""
    before = set(folder.iterdir())
    taken = seconds(target, sent)
    files = sorted(set(folder.iterdir()) - before)
    assert len(files) == sent.count
    lanes = [files[number :: len(sent.paths)] for number in range(len(sent.paths))]
    started = time.monotonic()
    with ThreadPoolExecutor(len(lanes)) as threads:
        list(threads.map(forced, lanes))
    taken += time.monotonic() - started
    return taken


@pytest.mark.parametrize(
    ("associations", "each", "side"), [(1, 60, LARGE), (4, 40, LARGE), (4, 100, SMALL)], ids=["1", "4", "4 small"]
)
def test_store_rate_beside_storescp(tmp_path: Path, associations: int, each: int, side: int) -> None:
    """Objects are received, indexed, audited and durable at half the rate at least of files that are only written."""
    folder = tmp_path / "storescp"
    folder.mkdir()
    rates: dict[str, list[float]] = {"Healix": [], "storescp": []}
    with healix(tmp_path / "healix") as ours, storescp(folder) as theirs:
        for turn in range(ROUNDS + 1):  # the first one warms up
            sent = load(tmp_path, associations, each=each, side=side)
            os.sync()
            measured = {"storescp": sent.count / bound(theirs, folder, sent)}
            os.sync()
            measured["Healix"] = sent.count / seconds(ours, sent)
            for name, rate in measured.items():
                rates[name] += [rate] if turn else []
    own, bare = (statistics.median(rates[name]) for name in rates)
    print(
        f"\nC-STORE, {associations} associations, side {side}: Healix {own:.0f}/s, storescp + fsync {bare:.0f}/s",
        end="",
    )
    print(f", ratio {own / bare:.2f}; rounds { {name: [round(one) for one in all_] for name, all_ in rates.items()} }")
    assert own >= AT_LEAST * bare
