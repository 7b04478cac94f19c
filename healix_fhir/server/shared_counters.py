"""Where the web workers of one server count together: prometheus_client's directory of memory-mapped counters.

It reads its environment variable when it is imported, so it is imported only after that is set.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil

SHARED = "PROMETHEUS_MULTIPROC_DIR"


def share(data_dir: Path) -> None:
    """Count with the other workers of this process' parent; to be called before prometheus_client is imported.

    A worker that is started again finds the counters of the one before it. Those of servers that no longer run are
    removed.
    """
    root = data_dir / "metrics"
    for old in root.glob("*"):
        if old.name.isdecimal() and not psutil.pid_exists(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    directory = root / str(os.getppid())
    directory.mkdir(parents=True, exist_ok=True)
    os.environ[SHARED] = str(directory)
    _know_own_process()


def _know_own_process() -> None:
    """Let the counters take this process for the one that counts; else each asks the system who it is each time."""
    from prometheus_client import values

    process = os.getpid()
    values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]
