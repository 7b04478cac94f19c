"""Half an hour of mixed load at sixteen clients: no error, memory that stays, times that stay.

`make soak MINUTES=30`. The first third of the time is for caches to fill; the last is compared with the middle one.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from tests.soak.mix import SHARES, Client
from tests.support.plain import NO_TLS
from tests.support.serve import Served, serving

MINUTES = float(os.environ.get("HEALIX_SOAK_MINUTES", "30"))
CLIENTS, STUDIES = 16, 1_000_000
LOOK = 1.0
"""Seconds between two looks at memory."""
GROWTH = 1.1
"""By which the memory of the last third may be that of the middle one; what is a hundred megabytes more is too much."""
SLOWER, NOISE = 2.0, 0.1
"""By which the p99 of the last third may be that of the middle one, once it is `NOISE` seconds more."""
FEWEST = 900
"""Times of a work from which its p99 is judged, three in each third: of fewer, in a soak of a minute, it is chance."""

pytestmark = [pytest.mark.long, pytest.mark.timeout(0)]


@dataclass
class Soak:
    """What is measured: `times` are (when, seconds) by work, `sizes` (when, bytes) of the server's processes."""

    server: Served
    token: str
    begun: float = field(default_factory=time.monotonic)
    times: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    sizes: list[tuple[float, float]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.begun

    def run(self, number: int) -> None:
        """One client, until the time is over."""
        chance = random.Random(number)
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=60, verify=NO_TLS) as http:
            name = f"soak-{number}"
            http.put(f"/fhir/Patient/{name}", json={"resourceType": "Patient", "id": name}).raise_for_status()
            numbers = range(10_000 + number * STUDIES, 10_000 + (number + 1) * STUDIES)
            client = Client(http, self.server.dimse_port, name, numbers, chance)
            works, weights = list(SHARES), list(SHARES.values())
            while self.now() < MINUTES * 60:
                (work,) = chance.choices(works, weights)
                at = self.now()
                try:
                    wrong = work(client)
                except Exception as error:  # noqa: BLE001 - whatever a client cannot make sense of is a finding
                    wrong = repr(error)
                self.times[work.__name__].append((at, self.now() - at))
                if wrong is not None:
                    self.wrong.append(f"{work.__name__} after {at:.0f} s: {wrong}")

    def watch(self) -> None:
        """Look at memory until the time is over."""
        while self.now() < MINUTES * 60:
            parts = [psutil.Process(self.server.process.pid), *self.server.children()]
            self.sizes.append((self.now(), float(sum(part.memory_full_info().uss for part in parts))))
            time.sleep(LOOK)


def third(values: Sequence[tuple[float, float]], number: int) -> list[float]:
    """What was measured in one of the three thirds of the time."""
    span = MINUTES * 60 / 3
    return sorted(value for at, value in values if number * span <= at < (number + 1) * span) or [0.0]


def percentile(values: Sequence[float], part: float) -> float:
    """The value that so large a part does not exceed."""
    return values[min(len(values) - 1, int(part * len(values)))]


def test_soak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No work fails, and neither memory nor the 99th percentile of any work grows from the second third to the last."""
    with serving(tmp_path / "data", "--workers", "2", dimse_unknown_callers="all") as server:
        soak = Soak(server, server.token("system/*.cruds"))
        threads = [threading.Thread(target=soak.run, args=(number,)) for number in range(CLIENTS)]
        threads.append(threading.Thread(target=soak.watch))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log = server.log.read_text()
    sizes = [percentile(third(soak.sizes, number), 0.5) for number in range(3)]
    late = {name: [percentile(third(times, n), 0.99) for n in range(3)] for name, times in soak.times.items()}
    with capsys.disabled():
        print(table(soak, sizes, late))  # noqa: T201 - the table is what it is for
    assert soak.wrong == []
    assert "Traceback" not in log
    assert sizes[2] < max(sizes[1] * GROWTH, sizes[1] + (100 << 20)), "memory grows"
    slower = {name: p for name, p in late.items() if _is_slower(p) and len(soak.times[name]) >= FEWEST}
    assert slower == {}, "it gets slower"


def _is_slower(late: Sequence[float]) -> bool:
    return late[2] > late[1] * SLOWER and late[2] > late[1] + NOISE


def table(soak: Soak, sizes: Sequence[float], late: dict[str, list[float]]) -> str:
    """What was measured, as a Markdown table."""
    count = sum(map(len, soak.times.values()))
    memory = ", ".join(f"{size / 2**20:.0f}" for size in sizes)
    rows = [
        f"| {name} | {len(times)} | {1000 * percentile(sorted(s for _, s in times), 0.5):.0f} | "
        + " | ".join(f"{1000 * value:.0f}" for value in late[name])
        + " |"
        for name, times in sorted(soak.times.items())
    ]
    head = f"\n{count} works of {CLIENTS} clients in {MINUTES:g} min, {len(soak.wrong)} failed; memory {memory} MB\n"
    columns = "| work | times | median, ms | p99 of the first third | of the second | of the last |"
    return "\n".join([head, columns, "|---|---|---|---|---|---|", *rows])
