"""What the processes of a server hold in memory: at rest, and while more passes through than would fit.

The database is not counted. A page that several processes share counts once, a part of it for each: the parts of a
server are forks of one that has loaded the program.
A C-STORE of 1 GB is measured in `test_dimse`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from tests.bench.stow_parts import JSON, Images, apart, huge, many, post
from tests.bench.web_servers import Served, database, healix

pytestmark = pytest.mark.bench

MB, GB = 1 << 20, 1 << 30
SETTLE = 2.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with two web workers, the DIMSE SCP and the job worker."""
    directory = tmp_path_factory.mktemp("memory")
    with ExitStack() as stack:
        url = stack.enter_context(database(directory))
        yield stack.enter_context(healix(url, directory, workers=2))


def resident(pid: int) -> dict[str, int]:
    """Resident bytes of each process of the tree under `pid`: their proportional set sizes, which sum up."""
    root = psutil.Process(pid)
    found = {}
    for process in [root, *root.children(recursive=True)]:
        found[f"{process.name()} {process.pid}"] = process.memory_full_info().pss
    return found


class Peak:
    """The largest resident size of the tree while a block runs."""

    def __init__(self, pid: int) -> None:
        self.before = self.highest = sum(resident(pid).values())
        self._pid = pid

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample ten times a second until the block ends."""
        ended = threading.Event()

        def sample() -> None:
            while not ended.wait(0.1):
                self.highest = max(self.highest, sum(resident(self._pid).values()))

        thread = threading.Thread(target=sample)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    @property
    def growth(self) -> int:
        """By how much it grew."""
        return self.highest - self.before


def test_idle(served: Served) -> None:
    """All processes together rest below 500 MB."""
    time.sleep(SETTLE)
    sizes = resident(served.pid)
    total = sum(sizes.values())
    print(f"\nidle: {total // MB} MB; { {name.split()[0]: size // MB for name, size in sizes.items()} }")
    assert len(sizes) == 5
    assert total <= 500 * MB


def test_stow(served: Served) -> None:
    """A STOW-RS request of 2 GB, of many images or of one, takes less than 100 MB."""
    images = Images()
    for number in range(4):  # warms up both workers: what is imported at first use stays
        post(served, many(images, range(number, number + 1)))
    count = 2 * GB // images.size + 1
    for name, request in (("many parts", many(images, range(10, 10 + count))), ("one part", huge(Images(), 2 * GB))):
        peak = Peak(served.pid)
        started = time.perf_counter()
        with peak.watched():
            post(served, request)
        took = time.perf_counter() - started
        print(f"\nSTOW-RS of 2 GB, {name}: +{peak.growth // MB} MB (of {peak.before // MB} MB), {took:.1f} s", end="")
        assert peak.growth < 100 * MB, name


def test_stow_apart(served: Served) -> None:
    """An image of 1 GB whose metadata and pixels are parts of their own takes less than 100 MB, and leaves one file."""
    for _ in range(4):
        post(served, apart(Images(), MB), kind=JSON)
    peak = Peak(served.pid)
    started = time.perf_counter()
    with peak.watched():
        post(served, apart(Images(), GB), kind=JSON)
    print(f"\nmetadata and 1 GB apart: +{peak.growth // MB} MB, {time.perf_counter() - started:.1f} s", end="")
    assert peak.growth < 100 * MB
