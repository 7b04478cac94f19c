"""A server that is killed and started again on the same data and the same ports."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.faults.shim import Shim
from tests.support.serve import HEALIX, PATIENCE, Served, environment, free_ports, ready, wait_until


@dataclass
class Node:
    """`healix serve` on a data directory of its own; `settings` go into its environment. `cut_off` are the ways
    to keep answers from those that wait for them, `shim` makes its disk and clock fail. `database_dir` is the data
    directory in which the database is, where that is another. `program` is that of another version, if any.
    """

    data_dir: Path
    workers: int = 2
    settings: dict[str, Any] = field(default_factory=dict)
    cut_off: list[Callable[[], int]] = field(default_factory=list)
    shim: Shim | None = None
    database_dir: Path | None = None
    program: Sequence[str] = HEALIX
    served: Served = field(init=False)
    restarts: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port, self.dimse_port = free_ports(2)
        self.log = self.data_dir.parent / f"{self.data_dir.name}-{self.port}.log"

    def start(self) -> None:
        """Start, at first or after a kill, and wait until it serves; `restarts` gets the seconds that took."""
        if self.restarts:
            self.served.process.wait(PATIENCE)
        begun = time.monotonic()
        command = [*self.program, "serve", "--data-dir", str(self.data_dir), "--workers", str(self.workers)]
        command += ["--port", str(self.port), "--dimse-port", str(self.dimse_port)]
        with self.log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(dimse_unknown_callers="all", **self.settings)
                | (self.shim.environment if self.shim else {}),
                cwd=self.data_dir.parent,
            )
        self.served = Served(process, self.data_dir, self.port, self.dimse_port, self.log, 0.0)
        self.wait()
        self.restarts.append(time.monotonic() - begun)

    def wait(self) -> None:
        """Wait until the server serves again."""
        process = self.served.process
        wait_until(
            lambda: process.poll() is not None or ready(self.port),
            "the server to be ready",
            seconds=2 * PATIENCE,
            shown=self.tail,
        )
        assert process.poll() is None, f"the server has ended: {self.tail()}"

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        """End it as its operator does; kill what is left."""
        if self.served.process.poll() is None:
            self.served.process.terminate()
            self.served.process.wait(PATIENCE)

    def tree(self) -> list[psutil.Process]:
        """The server's processes, its own first."""
        with contextlib.suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.served.process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def postmaster(self) -> list[str]:
        """What the database says of itself: its process in the first line, the directory of its socket in the fifth."""
        directory = self.database_dir or self.data_dir
        return (directory / "postgres/postmaster.pid").read_text().splitlines()

    def database(self) -> list[psutil.Process]:
        """The processes of the embedded database, the first of them first."""
        try:
            postmaster = psutil.Process(int(self.postmaster()[0]))
            return [postmaster, *postmaster.children()]
        except (psutil.NoSuchProcess, FileNotFoundError, IndexError, ValueError):
            return []


def look(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection to a database that may be on its way back."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def kill(processes: list[psutil.Process]) -> int:
    """Kill all as one, and wait until they are gone; how many there were."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)
    return len(processes)
