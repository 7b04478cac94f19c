"""A study of CT images in Healix and in Orthanc, and how fast each gives it to a receiver that throws it away."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import generate_uid

from tests.bench.dimse_servers import ENVIRONMENT, Target, free_port, healix, orthanc
from tests.support.ct import ct_image
from tests.support.tools import require_tool

ROUNDS, FILES = 5, 200


@dataclass(frozen=True)
class Both:
    """Healix and Orthanc, both with the study `uid` of `size` bytes."""

    targets: tuple[Target, Target]
    uid: str
    size: int

    def ratio(self, service: str, command: Sequence[str]) -> float:
        """By how much Healix is faster than Orthanc, in alternating rounds of a command of dcmtk; printed."""
        taken: dict[str, list[float]] = {target.aet: [] for target in self.targets}
        for turn in range(ROUNDS + 1):  # the first one warms up
            for target in self.targets:
                measured = self._seconds(target, command)
                taken[target.aet] += [measured] if turn else []
        ours, theirs = (self.size / statistics.median(taken[target.aet]) / 1e6 for target in self.targets)
        print(f"\n{service} of {FILES} CT images: Healix {ours:.0f} MB/s, Orthanc {theirs:.0f} MB/s", end="")
        print(f", ratio {ours / theirs:.2f}, {os.cpu_count()} cores")
        return ours / theirs

    def _seconds(self, target: Target, command: Sequence[str]) -> float:
        """How long the command takes that retrieves the study."""
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={self.uid}"]
        asked = [*command, "-S", "-aec", target.aet, *keys, "127.0.0.1", str(target.port)]
        started = time.monotonic()
        subprocess.run(asked, check=True, env=ENVIRONMENT, capture_output=True)
        return time.monotonic() - started


@contextmanager
def both(directory: Path, knows: Mapping[str, int] | None = None) -> Iterator[Both]:
    """The two with the study, below `directory`; Orthanc `knows` peers of this machine by port."""
    uid = generate_uid(prefix=None)
    images = directory / "study"
    images.mkdir()
    for number in range(FILES):
        ct_image(images / f"{number}.dcm", study=uid, series=f"{uid}.1", number=number, side=512)
    with healix(directory / "healix") as ours, orthanc(directory / "orthanc", knows=knows) as theirs:
        for target in (ours, theirs):
            store = [require_tool("storescu"), "-aec", target.aet, "-xe", "+sd", "127.0.0.1", str(target.port)]
            subprocess.run([*store, str(images)], check=True, env=ENVIRONMENT, capture_output=True)
        yield Both((ours, theirs), uid, sum(path.stat().st_size for path in images.iterdir()))


@contextmanager
def sink() -> Iterator[int]:
    """The port of a storescp of dcmtk that keeps nothing, the AE SINK."""
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
