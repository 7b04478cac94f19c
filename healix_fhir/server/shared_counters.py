"""Where the web workers of one server count together: prometheus_client's directory of memory-mapped counters."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

SHARED = "PROMETHEUS_MULTIPROC_DIR"


def share(data_dir: Path) -> None:
    """Let this process and those that it forks count together.

    A worker that is started again finds the counters of the one before it. Those of servers that no longer run are
    removed.
    """
    root = data_dir / "metrics"
    for old in root.glob("*"):
        if old.name.isdecimal() and not psutil.pid_exists(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    directory = root / str(os.getpid())
    directory.mkdir(parents=True, exist_ok=True)
    os.environ[SHARED] = str(directory)


def count_as_this_process() -> None:
    """Let the counters that are made from now on be shared, and this process'.

    prometheus_client, which looks whether to share when it is loaded, would ask the system who it is at each count.
    """
    from prometheus_client import values

    process = os.getpid()
    values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]
